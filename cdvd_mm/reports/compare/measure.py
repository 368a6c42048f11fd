"""What a model costs: parameters, multiply-adds, time and memory."""

import statistics
import time
import weakref

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten
from torch.utils.weak import WeakIdKeyDictionary

from cdvd_mm.bench.macs import Macs, count_macs, count_plain_window
from cdvd_mm.models.backbones.cdvd_net import CDVDNet

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


class _TensorMemory(TorchDispatchMode):
    """Peak of the memory that tensors hold, where the device does not keep count."""

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = 0
        self._known = WeakIdKeyDictionary()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        output = func(*args, **(kwargs or {}))
        for leaf in tree_flatten(output)[0]:
            if isinstance(leaf, Tensor):
                self.add(leaf)
        return output

    def add(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        if storage not in self._known:
            self._known[storage] = True
            self.live += storage.nbytes()
            self.peak = max(self.peak, self.live)
            weakref.finalize(storage, self._release, storage.nbytes())

    def _release(self, size: int) -> None:
        self.live -= size


def measure_memory(model: ComparedModel, clip: Tensor) -> int:
    """Return the peak memory of one call in bytes, weights and frames included.

    Args:
        model (ComparedModel): The model.
        clip (Tensor): (t, 3, h, w) RGB in [0, 1] on the model's device.

    Returns:
        int: On a GPU what PyTorch allocated. On a CPU what the tensors held;
        scratch memory within an operator is not seen there.
    """
    if model.device.type == 'cuda':
        torch.cuda.reset_peak_memory_stats(model.device)
        model.restore(clip)
        return torch.cuda.max_memory_allocated(model.device)
    with _TensorMemory() as memory:
        for tensor in (clip, *model.restorer.parameters(), *model.restorer.buffers()):
            memory.add(tensor)
        model.restore(clip)
    return memory.peak


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
        ``timed_on`` ([frames, height, width]), ``peak_memory`` in bytes, see
        :func:`measure_memory`.
    """
    clip = frames[:model.num_frames or CLIP_FRAMES].to(model.device) / 255
    restored = 1 if model.num_frames else len(clip)
    runs = []
    memory = measure_memory(model, clip)  # warms up as well
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
