"""What an interrupted run leaves behind, for the next one to go on with."""

from __future__ import annotations

import contextlib
import fcntl
import json
import shutil
from pathlib import Path

from cdvd_mm.files import write_atomically


class Parts:
    """The folder beside the output in which the result grows.

    Args:
        output (Path): The output.
        settings (dict): What the result depends on.
        resume (bool): Keep what is there already.
    """

    def __init__(self, output: Path, settings: dict, resume: bool) -> None:
        self.folder = output.with_name(output.name + '.parts')
        self._state = self.folder / 'state.json'
        self._settings = settings
        self._resume = resume
        self.complete = False
        self.damage: list[str] = []

    def __enter__(self) -> Parts:
        try:
            self.folder.mkdir(exist_ok=True)
            self._lock = open(self.folder / 'lock', 'w')  # noqa: SIM115
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
        self._lock.close()
        with contextlib.suppress(OSError):
            if not any(path.is_file() and path.name not in ('lock', 'state.json')
                       for path in self.folder.rglob('*')):
                shutil.rmtree(self.folder)  # nothing worth keeping

    def _load(self) -> None:
        if not self._resume:
            self._clear()
        if self._state.is_file():
            state = json.loads(self._state.read_text(encoding='utf-8'))
            before, now = state['settings'], self._settings
            changed = [f'{key}: {before.get(key)} -> {now.get(key)}'
                       for key in sorted(set(before) | set(now)) if before.get(key) != now.get(key)]
            if changed:
                raise ValueError(
                    f'{self.folder} holds the parts of an interrupted run with other settings '
                    f'({"; ".join(changed)}): repeat those to go on, or pass --no-resume to '
                    'start again')
            self.complete = state.get('complete', False)
            self.damage = state.get('damage', [])
        else:
            self._clear()
            self._save()

    def _clear(self) -> None:
        for path in self.folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != 'lock':
                path.unlink()

    def _save(self) -> None:
        state = {'settings': self._settings, 'complete': self.complete, 'damage': self.damage}
        write_atomically(self._state, json.dumps(state, indent=1), sync=False)

    def mark_complete(self, damage: list[str]) -> None:
        """Note that all frames are there."""
        self.complete, self.damage = True, list(damage)
        self._save()

    def remove(self) -> None:
        """Drop the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
