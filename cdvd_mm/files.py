"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import re
import uuid
from pathlib import Path

_PARTIAL = re.compile(r'\.(.+)\.[0-9a-f]{8}\.partial')


def write_atomically(path: str | os.PathLike, content: bytes | str, sync: bool = True) -> None:
    """Write a file so that its name stands for the old or the new content, never for a part.

    The content is written aside and renamed. Whatever interrupts this leaves
    the old file.

    Args:
        path (str | PathLike): The file; its folder must exist.
        content (bytes | str): What it shall hold; text as UTF-8.
        sync (bool): Wait until file and folder are on the disk, so that a
            power cut cannot take them back. Without it a cut may leave an
            empty file: for what is cheap to make anew.

    Raises:
        OSError: It cannot be written (disk full, no permission, ...); the
            message names ``path``, and the part that was written is removed.
    """
    path = Path(path)
    # a name may have 255 bytes
    name = os.fsencode(path.name)[:200].decode('utf-8', 'ignore')
    partial = path.with_name(f'.{name}.{uuid.uuid4().hex[:8]}.partial')
    try:
        with open(partial, 'wb') as file:
            file.write(content.encode('utf-8') if isinstance(content, str) else content)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        if not isinstance(error, OSError):
            raise
        raise OSError(error.errno, f'{error.strerror}; free some space or choose another place, '
                      'then run again (what was written before is kept)', str(path)) from error
    if sync:
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:
        pass  # some network file systems cannot; the file itself is flushed
    finally:
        os.close(descriptor)


def remove_partial_files(folder: str | os.PathLike) -> None:
    """Remove what interrupted writes left in a folder."""
    for path in Path(folder).glob('.*.partial'):
        if _PARTIAL.fullmatch(path.name):
            with contextlib.suppress(OSError):
                path.unlink()
