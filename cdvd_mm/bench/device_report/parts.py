"""The parts of a report in the order of their importance."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

from .settings import Settings, Table


class Part(NamedTuple):
    """A part.

    Args:
        call (str): ``module:function`` of it, below this folder; ``Settings -> Iterator[Table]``.
        weight (float): Its share of the time.
        needs_gpu (bool): There is nothing to do without one.
    """

    call: str
    weight: float
    needs_gpu: bool = False

    def load(self) -> Callable[[Settings], Iterator[Table]]:
        """The function."""
        module, _, name = self.call.partition(':')
        return getattr(importlib.import_module(f'{__package__}.{module}'), name)


PARTS = {
    'tests': Part('checks:run_tests', 2.),
    'kernels': Part('checks:compare_kernels', .5),
    'precisions': Part('checks:compare_precisions', .5),
    'inference': Part('speed:time_inference', 2.5),
    'profile': Part('speed:profile_fastest', .5),
    'files': Part('speed:time_files', 1.),
    'training': Part('training:time_steps', 1.5),
    'processes': Part('training:time_processes', .7, needs_gpu=True),
    'resuming': Part('training:train_twice', 1.5),
}
