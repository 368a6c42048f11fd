"""Checkpoints: written whole, found again after a crash, compared with the model to be filled."""

from __future__ import annotations

import contextlib
import logging
import os
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from mmengine.fileio import LocalBackend, register_backend
from mmengine.logging import print_log
from mmengine.runner.checkpoint import CheckpointLoader
from torch import Tensor, nn

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


def read_position(path: str | os.PathLike) -> tuple[float, int] | None:
    """When and at which step a training checkpoint was written, without reading its tensors.

    Args:
        path (str | PathLike): Path of the checkpoint.

    Returns:
        tuple[float, int], optional: Seconds since 1970 and steps; None where the file is damaged,
        or holds no optimiser and is therefore no checkpoint to go on from.
    """
    try:
        checkpoint = torch.load(path, map_location='cpu', weights_only=True, mmap=True)
    except Exception:  # noqa: BLE001  (a damaged file raises nearly anything)
        return None
    if not isinstance(checkpoint, dict) or 'optimizer' not in checkpoint:
        return None
    meta = checkpoint.get('meta')
    if not isinstance(meta, dict) or not isinstance(meta.get('iter'), int):
        return None
    training = meta.get('training')
    saved = training.get('saved') if isinstance(training, dict) else None
    if not isinstance(saved, (int, float)):  # of an earlier version
        try:
            saved = time.mktime(time.strptime(str(meta.get('time')), '%Y%m%d_%H%M%S'))
        except (ValueError, OverflowError):
            saved = 0.
    return saved, meta['iter']


def find_latest_checkpoint(work_dir: str | os.PathLike) -> str | None:
    """Find the intact checkpoint that was written last: that of the latest run.

    The files themselves say when that was, so that folders may be copied, and an earlier run in
    the same folder may have come further. Nothing relies on the pointer file: a run may be killed
    between writing a checkpoint and naming it there, what it names may be damaged since, or lie in
    the folder that this one is a copy of. It is asked where the folder holds no checkpoint.

    Args:
        work_dir (str | PathLike): Folder of the checkpoints.

    Returns:
        str, optional: Its path; None where there is none at all.

    Raises:
        ValueError: There are checkpoints, but none is intact.
    """
    paths = [path for path in sorted(Path(work_dir).glob('*.pth'))
             if not path.name.startswith('best_')]
    if not paths:  # they may lie elsewhere
        with contextlib.suppress(OSError, ValueError):
            named = Path((Path(work_dir) / POINTER).read_text(encoding='utf-8').strip())
            paths = [named] if named.is_file() else []
    positions = {path: read_position(path) for path in paths}
    damaged = [path for path in paths if positions[path] is None]
    for path in sorted((path for path in paths if positions[path] is not None),
                       key=lambda path: (positions[path] or (), path.name), reverse=True):
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


_SHOWN = 6
"""Keys listed of each kind; the rest is counted."""

COUNTERS = ('step_counter', 'num_steps')
"""Buffers that count training steps (MMagic's and this package's): no part of what a model is."""


def get_state_dict(checkpoint: Mapping, source: str) -> Mapping[str, Tensor]:
    """Return the weights of a checkpoint.

    Args:
        checkpoint (Mapping): What was loaded: MMEngine's form with
            ``state_dict``, or bare weights.
        source (str): Where it came from, for messages.

    Raises:
        ValueError: There are no weights in it.
    """
    state_dict = None
    if isinstance(checkpoint, Mapping):
        state_dict = checkpoint.get('state_dict', checkpoint)
    if not isinstance(state_dict, Mapping) or not state_dict:
        raise ValueError(f'{source} holds no weights: expected a checkpoint of MMEngine with '
                         f'"state_dict", found {type(checkpoint).__name__}')
    # DistributedDataParallel puts its own name in front.
    return {key.removeprefix('module.'): value for key, value in state_dict.items()}


def check_state_dict(model: nn.Module, state_dict: Mapping[str, Tensor],
                     source: str) -> dict[str, Tensor]:
    """Refuse weights that are not exactly those of the model.

    Counters of training steps may be missing, left over or of another shape.

    Args:
        model (nn.Module): The model that is to be filled.
        state_dict (Mapping[str, Tensor]): Weights by name.
        source (str): Where they came from, for messages.

    Returns:
        dict[str, Tensor]: What the model can load strictly.

    Raises:
        ValueError: Weights are missing, left over or of another shape; the
            message lists them.
    """
    wanted = model.state_dict()
    counters = {key: wanted[key] for key in COUNTERS if key in wanted}
    for key, value in counters.items():
        if key in state_dict and state_dict[key].shape == value.shape:
            counters[key] = state_dict[key]
    state_dict = {key: value for key, value in state_dict.items() if key not in COUNTERS}
    state_dict.update(counters)
    missing = [key for key in wanted if key not in state_dict]
    left_over = [key for key in state_dict if key not in wanted]
    reshaped = [
        f'{key} {tuple(state_dict[key].shape)} instead of {tuple(value.shape)}'
        for key, value in wanted.items()
        if key in state_dict and state_dict[key].shape != value.shape
    ]
    problems = [
        f'{len(items)} {kind}: {", ".join(items[:_SHOWN])}{", ..." if len(items) > _SHOWN else ""}'
        for kind, items in (('missing', missing), ('left over', left_over),
                            ('of another shape', reshaped)) if items
    ]
    if problems:
        raise ValueError(
            f'{source} is not a checkpoint of this {type(model).__name__} '
            f'({len(wanted)} weights expected, {len(state_dict)} found); '
            + '; '.join(problems) + '. Check that config and checkpoint belong together; '
            'checkpoints of other programs go through tools/model_converters/convert.py first.')
    return state_dict


def load_weights(model: nn.Module, path: str) -> None:
    """Fill a model with the weights of a checkpoint, all of them and no others.

    Args:
        model (nn.Module): The model.
        path (str): The checkpoint.

    Raises:
        FileNotFoundError: It is not there.
        ValueError: It cannot be read, or belongs to another model.
    """
    state_dict = get_state_dict(CheckpointLoader.load_checkpoint(path, map_location='cpu'), path)
    model.load_state_dict(check_state_dict(model, state_dict, path))
