"""A server with the page of cdvd-mm web, as its own process."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 120  # seconds, on a machine that does other things as well


def until(look, what: str):
    """What ``look`` gives as soon as that is something."""
    from selenium.common.exceptions import WebDriverException
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            found = look()
        except WebDriverException:
            found = None
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f'waited in vain for {what}')


class Server:
    """``tools/web.py`` and where it is."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self.log = folder / 'log'
        with open(self.log, 'w') as log:
            self.process = subprocess.Popen(
                [sys.executable, ROOT / 'tools/web.py', '--port', '0', '--folder',
                 folder / 'visits', *arguments], cwd=folder, stdout=log, stderr=subprocess.STDOUT,
                env={**os.environ, 'PYTHONPATH': os.pathsep.join([str(ROOT), *sys.path])})
        self.address = until(self._address, 'the server').rstrip()

    def _address(self) -> str | None:
        assert self.process.poll() is None, self.log.read_text()
        words = self.log.read_text().split()
        return next((word for word in words if word.startswith('http://')), None)

    def files(self) -> list[Path]:
        """What lies in the folders of open pages."""
        return [path for path in (self.folder / 'visits').glob('*/*/**/*') if path.is_file()]

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(PATIENCE)
        assert not list((self.folder / 'visits').iterdir()), 'files of pages are left'
