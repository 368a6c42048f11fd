"""What a model costs: parameters, multiply-adds, time and memory."""

import statistics
import time
from functools import partial

import torch
from torch import Tensor

from cdvd_mm.bench.macs import count_macs
from cdvd_mm.bench.memory import peak_memory
from cdvd_mm.bench.plain import SteppedCascade, plain_details

from .models import CLIP_FRAMES, ComparedModel

MACS_SIZE = 256
"""Side of the frames for which multiply-adds are counted."""


def measure_macs(model: ComparedModel, size: int = MACS_SIZE) -> dict:
    """Count the multiply-adds of one restored frame of ``size`` x ``size``.

    A windowed model is counted for one window; of a whole-video model, what a
    clip of five frames costs more than one of three, halved.

    Args:
        model (ComparedModel): The model.
        size (int): Height and width.

    Returns:
        dict: ``macs``; ``macs_parts``, by operator; ``macs_counted``, the same frame in the ways
        in which papers count, as metafiles name them (``Published MACs Counting``): 'done', as
        ``macs``; 'convolutions', those of convolutions alone, without deformable ones; 'clip',
        the same as the mean of a clip of five frames, the ends of which cost less; and, of
        cascades, 'cdvd-tsp', see :attr:`Macs.as_published`. Of cascades also ``macs_plain``:
        every pair on its own.
    """
    frames = torch.rand(model.num_frames or CLIP_FRAMES, 3, size, size, device=model.device)
    macs = clip = count_macs(model.restore, frames)
    if model.num_frames is None:
        macs = (macs - count_macs(model.restore, frames[:-2])) // 2
        clip //= CLIP_FRAMES
    counted = {'done': macs.total, 'convolutions': macs.parts['convolution'],
               'clip': clip.parts['convolution']}
    result = {'macs': macs.total, 'macs_parts': macs.parts, 'macs_counted': counted}
    if isinstance(model.network, SteppedCascade):
        plain = count_macs(plain_details, model.network, frames[None])
        result['macs_plain'] = plain.total
        counted['cdvd-tsp'] = plain.as_published
    return result


def measure_speed(model: ComparedModel, frames: Tensor, repeats: int = 5) -> dict:
    """Time the restoration of frames of one size.

    Args:
        model (ComparedModel): The model.
        frames (Tensor): A video (t, 3, h, w), uint8, RGB. A windowed model is
            timed on its first window, a whole-video model on its first five
            frames.
        repeats (int): Timed runs, after one that is not.

    Returns:
        dict: ``ms_per_frame`` (median), ``ms_min``, ``ms_max``, ``ms_runs``,
        ``timed_on`` ([frames, height, width]), ``peak_memory`` in bytes,
        weights and frames included, see
        :func:`~cdvd_mm.bench.memory.peak_memory`.
    """
    clip = frames[:model.num_frames or CLIP_FRAMES].to(model.device) / 255
    restored = 1 if model.num_frames else len(clip)
    runs = []
    held = [clip, *model.restorer.parameters(), *model.restorer.buffers()]
    memory = peak_memory(partial(model.restore, clip), model.device, held)  # warms up as well
    for _ in range(repeats):
        started = _now(model.device)
        model.restore(clip)
        runs.append((_now(model.device) - started) * 1000 / restored)
    return {'ms_per_frame': statistics.median(runs), 'ms_min': min(runs), 'ms_max': max(runs),
            'ms_runs': runs, 'timed_on': [len(clip), *clip.shape[-2:]],
            'peak_memory': memory}


def _now(device: torch.device) -> float:
    if device.type == 'cuda':
        torch.cuda.synchronize(device)
    return time.perf_counter()
