"""How much memory a call takes: one meter for networks and training steps, on CPU and GPU."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary


class _TensorMeter(TorchDispatchMode):
    """Adds up the storages of the tensors that operators return, as long as each lives."""

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = 0
        self._known = WeakIdKeyDictionary()

    def __torch_dispatch__(self, func: Callable, types: Any, args: tuple = (),
                           kwargs: dict | None = None) -> Any:
        for storage in self._unknown((args, kwargs)):  # there before: a view of it is nothing new
            self._known[storage] = True
        output = func(*args, **(kwargs or {}))
        self.add(output)
        return output

    def add(self, values: object) -> None:
        """Count the tensors among some values, each storage once."""
        for storage in self._unknown(values):
            self._known[storage] = True
            self.live += storage.nbytes()
            self.peak = max(self.peak, self.live)
            weakref.finalize(storage, self._release, storage.nbytes())

    def _unknown(self, values: object) -> Iterator[torch.UntypedStorage]:
        for value in tree_leaves(values):
            if isinstance(value, Tensor) and value.untyped_storage() not in self._known:
                yield value.untyped_storage()

    def _release(self, size: int) -> None:
        self.live -= size


def peak_memory(run: Callable[[], object], device: torch.device,
                held: Iterable[Tensor] = ()) -> int:
    """Meter the most that a call holds at a time beyond what was there before it.

    On a GPU this is what PyTorch's allocator handed out, the workspaces that
    libraries take from it included. On a CPU, where nobody keeps count, it is
    the size of the tensors that operators returned and that were alive at a
    time; what an operator takes and gives back within itself, and what
    compiled code does, is not seen. The process is the caller's own, so that a
    process group goes on working.

    Args:
        run (Callable): The call.
        device (torch.device): Where it computes.
        held (Iterable[Tensor]): Tensors that were there before and are to
            count all the same: weights and inputs, for instance.

    Returns:
        int: Bytes.
    """
    meter = _TensorMeter()
    meter.add(list(held))
    if device.type != 'cuda':
        with meter:
            run()
        return meter.peak
    gc.collect()
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    run()
    torch.cuda.synchronize(device)
    return torch.cuda.max_memory_allocated(device) - before + meter.peak
