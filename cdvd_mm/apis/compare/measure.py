"""What a model costs: parameters, multiply-adds, time and memory."""

import os
import statistics
import threading
import time

import torch
from torch import Tensor

from cdvd_mm.models.backbones.cdvd_net import CDVDNet

from .macs import Macs, count_macs, count_plain_window
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
        dict: ``macs``, ``macs_as_published`` (see
        :attr:`Macs.total_as_published`), ``macs_parts``; of CDVDNet, whose
        published number computes every pair on its own, also
        ``macs_plain`` and ``macs_plain_as_published``.
    """
    frames = torch.rand(1, model.num_frames or CLIP_FRAMES, 3, size, size, device=model.device)
    if model.num_frames is not None:
        macs = count_macs(model.restorer.forward_tensor, frames)
    else:
        longer = count_macs(model.restorer.forward_tensor, frames)
        shorter = count_macs(model.restorer.forward_tensor, frames[:, :CLIP_FRAMES - 2])
        macs = Macs(*({key: value - short.get(key, 0) for key, value in long.items()}
                      for long, short in ((longer.parts, shorter.parts),
                                          (longer.extras, shorter.extras)))) * 0.5
    result = {'macs': macs.total, 'macs_as_published': macs.total_as_published,
              'macs_parts': macs.parts}
    if isinstance(model.network, CDVDNet):
        plain = count_plain_window(model.network, frames)
        result.update(macs_plain=plain.total, macs_plain_as_published=plain.total_as_published)
    return result


class _PeakMemory:
    """Peak of the memory in use: the GPU's, or what the process holds."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.peak = 0

    def __enter__(self) -> '_PeakMemory':
        if self.device.type == 'cuda':
            torch.cuda.reset_peak_memory_stats(self.device)
        else:
            self._base = self.peak = _resident_memory()
            self._over = threading.Event()
            self._thread = threading.Thread(target=self._watch, daemon=True)
            self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._over.wait(0.005):
            self.peak = max(self.peak, _resident_memory())

    def __exit__(self, *error) -> None:
        if self.device.type == 'cuda':
            self.peak = torch.cuda.max_memory_allocated(self.device)
        else:
            self._over.set()
            self._thread.join()
            self.peak = max(self.peak, _resident_memory())


def _resident_memory() -> int:
    try:
        with open('/proc/self/statm', encoding='ascii') as file:
            return int(file.read().split()[1]) * os.sysconf('SC_PAGE_SIZE')
    except OSError:  # not a Linux machine
        return 0


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
        ``timed_on`` ([frames, height, width]), ``peak_memory`` in bytes (of
        the GPU: allocated by PyTorch; on a CPU: held by the whole process).
    """
    clip = frames[:model.num_frames or CLIP_FRAMES].to(model.device) / 255
    restored = 1 if model.num_frames else len(clip)
    runs = []
    with _PeakMemory(model.device) as memory:
        for run in range(repeats + 1):
            started = _now(model.device)
            model.restore(clip)
            if run:  # the first one warms up
                runs.append((_now(model.device) - started) * 1000 / restored)
    return {'ms_per_frame': statistics.median(runs), 'ms_min': min(runs), 'ms_max': max(runs),
            'ms_runs': runs, 'timed_on': [len(clip), *clip.shape[-2:]],
            'peak_memory': memory.peak}


def _now(device: torch.device) -> float:
    if device.type == 'cuda':
        torch.cuda.synchronize(device)
    return time.perf_counter()
