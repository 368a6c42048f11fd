"""Calls of a network recorded as CUDA graphs: all kernels of a step in one launch."""

from __future__ import annotations

import collections
import contextlib
import logging
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import torch
from mmengine.logging import print_log
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_unflatten

from cdvd_mm.models.protocols import (
    CascadeNetwork,
    DelayedNetwork,
    RecurrentNetwork,
)

_WARM_UP = 2  # calls before a recording: libraries choose their algorithms, Triton compiles
_KEPT = 2  # recordings of a call; the state of a recurrent network begins as another one


class Recorder(Protocol):
    """Records what a call does on a device."""

    def warm_up(self, call: Callable[[], Any]) -> Any:
        """Call it as it is going to be recorded; give what it gives."""
        ...

    def record(self, call: Callable[[], Any]) -> tuple[Callable[[], None], Any]:
        """Record it; give what does the same again, and the outputs that this fills anew."""
        ...


class CUDARecorder:
    """Records CUDA graphs."""

    def warm_up(self, call: Callable[[], Any]) -> Any:
        """Call it on a stream of its own, as PyTorch asks for."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            output = call()
        torch.cuda.current_stream().wait_stream(stream)
        return output

    def record(self, call: Callable[[], Any]) -> tuple[Callable[[], None], Any]:
        """Record it."""
        graph = torch.cuda.CUDAGraph()
        with _no_cached_casts(), torch.cuda.graph(graph):
            output = call()
        return graph.replay, output


@contextlib.contextmanager
def _no_cached_casts() -> Iterator[None]:
    """Autocast keeps converted weights for a while: memory that a recording must not rest on."""
    before = torch.is_autocast_cache_enabled()
    torch.clear_autocast_cache()
    torch.set_autocast_cache_enabled(False)
    try:
        yield
    finally:
        torch.set_autocast_cache_enabled(before)


class _Recording:
    """A recorded call: its inputs, what does it again, its outputs."""

    def __init__(self, inputs: list[Tensor], call: Callable[[list[Tensor]], Any],
                 recorder: Recorder) -> None:
        self._inputs = [tensor.clone() for tensor in inputs]
        self._replay, output = recorder.record(lambda: call(self._inputs))
        self._outputs, self._form = tree_flatten(output)

    def __call__(self, inputs: list[Tensor]) -> Any:
        for own, given in zip(self._inputs, inputs):
            own.copy_(given, non_blocking=True)
        self._replay()
        return tree_unflatten([x.clone() if isinstance(x, Tensor) else x for x in self._outputs],
                              self._form)


class Graphed:
    """A function of tensors that is recorded and from then on replayed.

    Inputs of other shapes (another size, other tiles) are recorded anew, and
    older recordings given up. Where recording fails it goes on as it is, and
    says so once.

    Args:
        function (Callable): Takes and gives tensors, in lists, tuples and
            dictionaries; what it does depends on nothing but their shapes.
        recorder (Recorder): Of the device.
    """

    def __init__(self, function: Callable, recorder: Recorder) -> None:
        self.function = function
        self.works = True
        self._recorder = recorder
        self._seen: collections.Counter = collections.Counter()
        self._recordings: collections.OrderedDict[Any, _Recording] = collections.OrderedDict()

    def __call__(self, *args: Any) -> Any:
        """Call, record or replay the function."""
        leaves, form = tree_flatten(args)
        if not self.works or not all(isinstance(x, (Tensor, type(None))) for x in leaves):
            return self.function(*args)
        tensors = [x for x in leaves if x is not None]
        key = (str(form), *((None if x is None else (tuple(x.shape), x.dtype, x.stride()))
                            for x in leaves))

        def call(given: list[Tensor]) -> Any:
            rest = iter(given)
            return self.function(*tree_unflatten(
                [None if x is None else next(rest) for x in leaves], form))

        if key not in self._recordings:
            self._seen[key] += 1
            if self._seen[key] <= _WARM_UP:
                return self._recorder.warm_up(lambda: call(tensors))
            if not self._record(key, tensors, call):
                return self.function(*args)
        self._recordings.move_to_end(key)
        return self._recordings[key](tensors)

    def _record(self, key: Any, tensors: list[Tensor], call: Callable) -> bool:
        while len(self._recordings) >= _KEPT:
            self._recordings.popitem(last=False)
        self._seen.clear()  # what was given up is warmed up and recorded again
        try:
            self._recordings[key] = _Recording(tensors, call, self._recorder)
        except Exception as error:  # what cannot be recorded: a look at a value, too little memory
            reason = str(error).strip().splitlines() or [type(error).__name__]
            print_log(f'CUDA graphs do not work here, going on without them: {reason[0]}',
                      'current', logging.WARNING)
            self.works = False
            self._recordings.clear()
        return self.works


def use_graphs(network: nn.Module, recorder: Recorder | None = None) -> nn.Module:
    """Let the calls that streaming makes of a network be recorded.

    Args:
        network (nn.Module): A restorer's ``generator``; it is changed.
        recorder (Recorder, optional): Default: None, CUDA graphs.

    Returns:
        nn.Module: The network itself.
    """
    for name in _calls(network):
        setattr(network, name, Graphed(getattr(network, name), recorder or CUDARecorder()))
    return network


def _calls(network: nn.Module) -> tuple[str, ...]:
    if isinstance(network, CascadeNetwork):
        return 'encode', 'restore_triples'
    if isinstance(network, RecurrentNetwork):
        return ('step', )
    if isinstance(network, DelayedNetwork):
        return 'encode', 'restore', 'forward'
    return ('forward', )
