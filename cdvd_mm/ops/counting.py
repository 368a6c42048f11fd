"""How much an operator computes, told to whoever counts.

Counters see what PyTorch dispatches. An operator that is one kernel, or a loop
of element-wise steps, says itself what it amounts to.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

_LISTENERS: list[Callable[[str, int], None]] = []


def report_macs(op: str, macs: int) -> None:
    """Tell the listeners, if any, of one call of an operator.

    Args:
        op (str): Name of the operator.
        macs (int): Multiply-adds of this call.
    """
    for listener in _LISTENERS:
        listener(op, macs)


@contextmanager
def listening(listener: Callable[[str, int], None]) -> Iterator[None]:
    """Have ``listener(op, macs)`` called for every operator within the context."""
    _LISTENERS.append(listener)
    try:
        yield
    finally:
        _LISTENERS.remove(listener)
