"""What an interrupted run leaves behind, for the next one to go on with."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

from cdvd_mm.files import write_atomically

_PROGRAM = 'cdvd_mm deblur'
_LONGEST_NAME = 255  # bytes, of most file systems


def parts_folder(output: Path) -> Path:
    """The folder in which an output grows: ``OUTPUT.parts`` beside it."""
    name = f'{output.name}.parts'
    encoded = os.fsencode(output.name)
    if len(os.fsencode(name)) > _LONGEST_NAME:
        digest = hashlib.sha256(encoded).hexdigest()[:8]
        name = f'{encoded[:200].decode("utf-8", "ignore")}.{digest}.parts'
    return output.with_name(name)


def holds_parts(output: Path) -> bool:
    """Whether an interrupted run has left something of an output."""
    return _read_mark(parts_folder(output)) is not None


def _read_mark(folder: Path) -> dict[str, Any] | None:
    """What the mark of a run says; None without one."""
    try:
        state = json.loads((folder / 'state.json').read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return None
    return state if isinstance(state, dict) and state.get('program') == _PROGRAM else None


class Parts:
    """The folder beside the output in which the result grows.

    Nothing is removed from it but what a run has put there.

    Args:
        output (Path): The output.
        settings (dict[str, str]): What the result depends on.
        resume (bool): Keep what is there already.

    Attributes:
        complete (bool): All frames are there.
        num_frames (int): Their number, once complete.
        damage (list[str]): What could not be decoded, once complete.
    """

    def __init__(self, output: Path, settings: dict[str, str], resume: bool) -> None:
        self.folder = parts_folder(output)
        self.frames = self.folder / 'frames'
        self._state = self.folder / 'state.json'
        self._settings = settings
        self._resume = resume
        self.complete = False
        self.num_frames = 0
        self.damage: list[str] = []

    def __enter__(self) -> Parts:
        """Take the folder.

        Raises:
            ValueError: It is not ours, another run is writing it, or it holds parts of a run with
                other settings.
            OSError: It cannot be written.
        """
        self._check_owner()
        try:
            self.folder.mkdir(exist_ok=True)
            self._lock = open(self.folder / 'lock', 'a')  # noqa: SIM115
        except OSError as error:
            raise OSError(f'cannot write beside the output: {error.strerror} '
                          f'({self.folder})') from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise ValueError(f'another run is writing {self.folder} already') from error
        try:
            self._load()
        except BaseException:
            self._lock.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if not any(self.folder.glob('segment-*.pkt')) and not any(self.frames.glob('*.png')):
            self.remove()  # nothing worth keeping
        self._lock.close()

    def _check_owner(self) -> None:
        """Only a folder that carries our mark, or holds nothing, is touched."""
        if self.folder.is_symlink() or (self.folder.exists() and not self.folder.is_dir()):
            raise ValueError(f'{self.folder} is needed for the parts of the output, but is no '
                             'folder: remove it, or choose another output')
        if not self.folder.exists() or _read_mark(self.folder) is not None:
            return
        foreign = sorted(path.name for path in self.folder.iterdir() if path.name != 'lock')
        if foreign:
            raise ValueError(f'{self.folder} is needed for the parts of the output, but holds '
                             f'something else ({", ".join(foreign[:3])}): move it away, or choose '
                             'another output')

    def _load(self) -> None:
        state = _read_mark(self.folder) if self._resume else None
        if state is None:
            self._clear()
            self._save()
            return
        before, now = state['settings'], self._settings
        changed = [f'{key}: {before.get(key)} -> {now.get(key)}'
                   for key in sorted(set(before) | set(now)) if before.get(key) != now.get(key)]
        if changed:
            raise ValueError(
                f'{self.folder} holds the parts of an interrupted run with other settings '
                f'({"; ".join(changed)}): repeat those to go on, or pass --no-resume to '
                'start again')
        self.complete, self.num_frames = state['complete'], state['num_frames']
        self.damage = state['damage']

    def _clear(self) -> None:
        """Remove what runs put there."""
        for path in (*self.folder.glob('segment-*'), *self.folder.glob('joined*'), self._state):
            path.unlink(missing_ok=True)
        if self.frames.is_dir() and not self.frames.is_symlink():
            shutil.rmtree(self.frames)

    def _save(self) -> None:
        state = {'program': _PROGRAM, 'settings': self._settings, 'complete': self.complete,
                 'num_frames': self.num_frames, 'damage': self.damage}
        write_atomically(self._state, json.dumps(state, indent=1))

    def mark_complete(self, num_frames: int, damage: list[str]) -> None:
        """Note that all frames are there."""
        self.complete, self.num_frames, self.damage = True, num_frames, list(damage)
        self._save()

    def remove(self) -> None:
        """Drop the folder, but for what others have put there."""
        with contextlib.suppress(OSError):
            self._clear()
            (self.folder / 'lock').unlink()
            self.folder.rmdir()
