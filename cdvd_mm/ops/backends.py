"""Which implementation of an op runs: chosen per call, can be forced, says why not."""

import contextlib
import importlib
import importlib.util
import os
import warnings
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import torch
from torch import Tensor

BACKENDS = ('auto', 'torch', 'triton')

T = TypeVar('T')
_DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_failure: str | None = None
_preferred = 'auto'


def has_interpreter() -> bool:
    """Whether this Triton can run kernels without a GPU; that of PyTorch 2.1 cannot."""
    return importlib.util.find_spec('triton.runtime.interpreter') is not None


def why_not_triton(*tensors: Tensor) -> str | None:
    """Tell why Triton kernels cannot take these tensors.

    Args:
        *tensors (Tensor): The op's inputs.

    Returns:
        str | None: The reason; None where they can.
    """
    if importlib.util.find_spec('triton') is None:
        return 'Triton is not installed'
    interpreted = os.environ.get('TRITON_INTERPRET') == '1' and has_interpreter()
    for tensor in tensors:
        if tensor.device.type != 'cuda' and not interpreted:
            return (f'the tensors are on {tensor.device.type} and Triton runs on GPUs (with '
                    'TRITON_INTERPRET=1 and Triton 3, slowly, anywhere)')
        if tensor.dtype not in _DTYPES:
            return f'{tensor.dtype} is not one of {", ".join(str(d) for d in _DTYPES)}'
        if tensor.numel() >= 2**31:
            return f'{tensor.numel()} elements do not fit 32-bit indices'
    return None


@contextlib.contextmanager
def preferring(backend: str) -> Iterator[None]:
    """Let calls that leave the choice open ('auto') take this backend for a while."""
    global _preferred
    if backend not in BACKENDS:
        raise ValueError(f'backend {backend!r} is unknown; choose from {BACKENDS}')
    before, _preferred = _preferred, backend
    try:
        yield
    finally:
        _preferred = before


def chosen(backend: str, *tensors: Tensor) -> str:
    """Tell which implementation an op takes.

    Args:
        backend (str): 'torch'; 'triton'; 'auto': Triton for tensors on a GPU
            where it works, else torch.
        *tensors (Tensor): The op's inputs.

    Returns:
        str: 'torch' or 'triton'; what was asked for, if something was.

    Raises:
        ValueError: An unknown backend.
    """
    if backend not in BACKENDS:
        raise ValueError(f'backend {backend!r} is unknown; choose from {BACKENDS}')
    if backend == 'auto':
        backend = _preferred
    if backend != 'auto':
        return backend
    works = not _failure and tensors[0].device.type == 'cuda' and why_not_triton(*tensors) is None
    return 'triton' if works else 'torch'


def run(backend: str, name: str, reference: Callable[..., T], tensors: tuple,
        *args: object) -> T:
    """Run an op on the backend asked for.

    Args:
        backend (str): See :func:`chosen`.
        name (str): The op; its kernel is imported at the first use only.
        reference (Callable): Plain torch, same arguments.
        tensors (tuple[Tensor, ...]): First arguments.
        *args: Further arguments.

    Returns:
        What the op gives.

    Raises:
        ValueError: An unknown backend, or 'triton' is asked for and cannot
            take these tensors; the message says why.
    """
    global _failure
    if chosen(backend, *tensors) == 'torch':
        return reference(*tensors, *args)
    if 'triton' in (backend, _preferred):
        reason = why_not_triton(*tensors)
        if reason:
            raise ValueError(f'the Triton backend cannot take this {name}: {reason}; use '
                             "backend='torch' or 'auto'")
        return _launch(name, tensors, args)
    try:
        return _launch(name, tensors, args)
    except torch.cuda.OutOfMemoryError:
        raise
    except Exception as error:  # no compiler, an unsupported GPU: told once, work goes on
        _failure = f'{type(error).__name__}: {error}'
        warnings.warn(f'Triton kernels do not work here, going on in plain torch: {_failure}',
                      RuntimeWarning, stacklevel=3)
        return reference(*tensors, *args)


def _launch(name: str, tensors: tuple, args: tuple) -> Any:
    module = 'flow_warp' if name == 'warp_with_mask' else name
    kernel = getattr(importlib.import_module(f'cdvd_mm.ops.triton.{module}'), name)
    if not tensors[0].is_cuda:
        return kernel(*tensors, *args)
    with torch.cuda.device(tensors[0].device):
        return kernel(*tensors, *args)
