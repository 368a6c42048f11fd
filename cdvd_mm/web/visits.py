"""What belongs to an open page: a folder, its upload, its job. It goes when the page is closed."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import os
import re
import secrets
import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from cdvd_mm.video.encoding import CONTAINERS
from cdvd_mm.video.folder_reader import IMAGE_SUFFIXES

from .jobs import Job

_PREFIX = 'cdvd-mm-web-'
_SHOWN_NAME = 80  # characters


@dataclasses.dataclass
class Visit:
    """An open page.

    Args:
        key (str): Its secret name, which is that of its folder too.
        folder (Path): Where its files lie.
        name (str): What the user's file is called; only ever shown.
        source (Path | None): The upload, once it is there: a video, or a folder of pictures.
        found (Any): What was found in it, see :class:`~cdvd_mm.web.tasks.Found`.
        job (Job | None): What is being done, or was done last.
        guesses (int): How often it was asked how long something will take.
        used (float): When it last did something.
    """

    key: str
    folder: Path
    name: str = ''
    source: Path | None = None
    found: Any = None
    job: Job | None = None
    guesses: int = 0
    used: float = dataclasses.field(default_factory=time.monotonic)

    def begin_upload(self) -> Path:
        """An empty folder for what comes; what there was before goes."""
        for path in self.folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        self.source = self.found = None
        folder = self.folder / 'input'
        folder.mkdir()
        return folder

    def end_upload(self, name: str) -> None:
        """Everything is there."""
        files = sorted((self.folder / 'input').iterdir())
        pictures = all(path.suffix in IMAGE_SUFFIXES for path in files)
        if len(files) != 1 and not pictures:
            raise ValueError('expected one video, or pictures alone')
        self.source = self.folder / 'input' if pictures else files[0]
        self.name = shown_name(name if len(files) == 1 else f'{len(files)} pictures')

    def result(self, suffix: str) -> Path:
        """Where a result goes."""
        return self.folder / f'restored{suffix}'

    def plainly(self, text: str) -> str:
        """A message with the user's own name in the place of the path."""
        if self.source is not None:
            text = text.replace(str(self.source), self.name)
        return text.replace(str(self.folder / 'input'), self.name).replace(f'{self.folder}/', '')


class Visits:
    """All open pages.

    Args:
        folder (str, optional): Where a folder for them is made. Default: the system's for such.
        keep_hours (float): Those that have done nothing for so long are dropped.

    Raises:
        OSError: It cannot be made.
    """

    def __init__(self, folder: str | None, keep_hours: float) -> None:
        base = Path(folder or tempfile.gettempdir())
        base.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(base)
        self.root = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=base)).resolve()
        self._lock_file = open(self.root / 'lock', 'w')  # noqa: SIM115
        fcntl.flock(self._lock_file, fcntl.LOCK_EX)
        self._keep = 3600 * keep_hours
        self._visits: dict[str, Visit] = {}  # by session
        self._lock = threading.Lock()

    def open(self, session: str) -> Visit:
        """The visit of a session; made where there is none."""
        with self._lock:
            if session not in self._visits:
                key = secrets.token_hex(16)
                (self.root / key).mkdir(mode=0o700)
                self._visits[session] = Visit(key, self.root / key)
            visit = self._visits[session]
            visit.used = time.monotonic()
            return visit

    def find(self, key: str) -> Visit | None:
        """The visit of a key."""
        with self._lock:
            return next((visit for visit in self._visits.values()
                         if secrets.compare_digest(visit.key.encode(), key.encode())), None)

    def pop(self, session: str) -> Visit | None:
        """Take the visit of a session out; its job and its folder are to be ended by the caller."""
        with self._lock:
            return self._visits.pop(session, None)

    def idle(self) -> list[str]:
        """Sessions that have done nothing for too long and are doing nothing now."""
        now = time.monotonic()
        with self._lock:
            return [session for session, visit in self._visits.items()
                    if now - visit.used > self._keep and (visit.job is None or visit.job.ended)]

    def remove(self) -> None:
        """Remove everything."""
        shutil.rmtree(self.root, ignore_errors=True)
        self._lock_file.close()


def stored_name(index: int, name: str) -> str:
    """What an uploaded file is called here: a number, and of its name a suffix that is known."""
    suffix = os.path.splitext(name)[1].lower()
    return f'{index:05d}{suffix if suffix in (*IMAGE_SUFFIXES, *CONTAINERS) else ""}'


def shown_name(name: str) -> str:
    """A name as it is shown: its last part, without what is not to be printed, not too long."""
    last = re.split(r'[/\\]', name)[-1]
    printable = ''.join(char for char in last if char.isprintable()).strip()
    if len(printable) > _SHOWN_NAME:
        printable = f'{printable[:_SHOWN_NAME // 2]}…{printable[-_SHOWN_NAME // 2:]}'
    return printable or 'the file'


def _remove_leftovers(base: Path) -> None:
    """Remove what servers that were killed have left: nobody holds their locks any more."""
    for folder in base.glob(f'{_PREFIX}*'):
        with contextlib.suppress(OSError), open(folder / 'lock') as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
