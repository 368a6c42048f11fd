"""Checkpoints on disk: written so that one is always loadable, found again after a crash."""

from __future__ import annotations

import contextlib
import logging
import os
import zipfile
from pathlib import Path

import mmengine.runner  # noqa: F401  (its import makes the loader below the safe one)
import torch
from mmengine.fileio import LocalBackend, register_backend
from mmengine.logging import print_log

from cdvd_mm.files import write_atomically

POINTER = 'last_checkpoint'
"""File in the work folder that names the latest checkpoint, as MMEngine has it."""


class AtomicLocalBackend(LocalBackend):
    """MMEngine's local files, written by :func:`write_atomically`."""

    def put(self, obj: bytes, filepath: str | os.PathLike) -> None:
        """Write a file, and the folder it is in."""
        os.makedirs(os.path.dirname(os.path.abspath(filepath)), exist_ok=True)
        write_atomically(filepath, bytes(obj))


register_backend('cdvd_mm.atomic', AtomicLocalBackend, force=True)


def is_intact(path: str | os.PathLike) -> bool:
    """Whether a checkpoint is complete: every byte is read and held to its check sum."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (OSError, zipfile.BadZipFile, EOFError, NotImplementedError, ValueError):
        return False


def read_position(path: str | os.PathLike) -> int | None:
    """Iteration at which a training checkpoint was written, without reading its tensors.

    Args:
        path (str | PathLike): Path of the checkpoint.

    Returns:
        int, optional: None where the file is damaged, or holds no optimiser
        and is therefore no checkpoint to go on from.
    """
    try:
        checkpoint = torch.load(path, map_location='cpu', weights_only=True, mmap=True)
    except Exception:  # noqa: BLE001  (a damaged file raises nearly anything)
        return None
    if not isinstance(checkpoint, dict) or 'optimizer' not in checkpoint:
        return None
    meta = checkpoint.get('meta')
    return meta.get('iter') if isinstance(meta, dict) else None


def find_latest_checkpoint(work_dir: str | os.PathLike) -> str | None:
    """Find the checkpoint with the highest iteration that is intact.

    Nothing relies on the pointer file alone: a run may be killed between writing a
    checkpoint and naming it there, and what it names may be damaged since.

    Args:
        work_dir (str | PathLike): Folder of the checkpoints.

    Returns:
        str, optional: Its path; None where there is none at all.

    Raises:
        ValueError: There are checkpoints, but none is intact.
    """
    paths = [path for path in sorted(Path(work_dir).glob('*.pth'))
             if not path.name.startswith('best_')]
    with contextlib.suppress(OSError):  # checkpoints may lie elsewhere
        named = Path((Path(work_dir) / POINTER).read_text(encoding='utf-8').strip())
        if named.is_file() and named.resolve() not in {path.resolve() for path in paths}:
            paths.append(named)
    positions = {path: read_position(path) for path in paths}
    damaged = [path for path in paths if positions[path] is None]
    for path in sorted((path for path in paths if positions[path] is not None),
                       key=lambda path: (positions[path], path.name), reverse=True):
        if is_intact(path):
            if damaged:
                names = ', '.join(other.name for other in damaged)
                print_log(f'passing over what is damaged or no training checkpoint: {names}',
                          logger='current', level=logging.WARNING)
            return str(path)
        damaged.append(path)
    if damaged:
        raise ValueError(
            f'none of the checkpoints in {work_dir} can be resumed from, they are damaged or hold '
            f'no optimiser: {", ".join(path.name for path in damaged)}. Remove them to start anew, '
            'or name one with --resume PATH')
    return None
