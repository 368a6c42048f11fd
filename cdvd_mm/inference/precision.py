"""How a network computes: precision, memory format, compilation."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from cdvd_mm.models.backbones.blocks import ReconstructionNet
from cdvd_mm.models.protocols import MeasuredInBFloat16, MixedPrecisionNetwork
from cdvd_mm.system import has_bfloat16_arithmetic

from .graphs import use_graphs
from .options import PRECISIONS

_UNNOTICED = 0.02  # dB
_DTYPES = {'fp16': torch.float16, 'bf16': torch.bfloat16}
OutOfMemoryError = getattr(torch, 'OutOfMemoryError', torch.cuda.OutOfMemoryError)


class InFloat32(nn.Module):
    """A layer that stays in float32 among others in half precision."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer.float()

    def forward(self, x: Tensor) -> Tensor:
        """Convert and call."""
        return self.layer(x.float())


class InHalfPrecision(nn.Module):
    """A network in half precision between float32 inputs and outputs.

    Args:
        network (nn.Module): The network; its weights are converted.
        dtype (torch.dtype): float16 or bfloat16.
        channels_last (bool): Keep activations channels last (tensor cores).
    """

    def __init__(self, network: nn.Module, dtype: torch.dtype, channels_last: bool) -> None:
        super().__init__()
        self.dtype = dtype
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.network = network.to(  # type: ignore[call-overload]  # a form that its stubs lack
            dtype=dtype, memory_format=self.memory_format)
        if isinstance(network, ReconstructionNet):
            # its last layer makes the picture, which would be cut to 8 or 11 bits
            network.out_block[-1] = InFloat32(network.out_block[-1])

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) float32 -> float32."""
        x = x.to(dtype=self.dtype, memory_format=self.memory_format)
        return self.network(x).float()


class Compiled(nn.Module):
    """A module through torch.compile, or as it is where that fails.

    Args:
        module (nn.Module): The module.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self._compiled: Callable | None = torch.compile(module, dynamic=False)

    def forward(self, *args: Tensor) -> Tensor:
        """Call the compiled module."""
        if self._compiled is not None:
            try:
                return self._compiled(*args)
            except OutOfMemoryError:
                raise
            except Exception as error:  # whatever a compiler can stumble over
                reason = str(error).strip().splitlines() or [type(error).__name__]
                print_log(f'torch.compile does not work here, going on without it: {reason[0]}',
                          'current', logging.WARNING)
                self._compiled = None
        return self.module(*args)


def choose_precision(network: nn.Module, device: str) -> str:
    """The precision where none is asked for.

    Args:
        network (nn.Module): A restorer's ``generator``.
        device (str): 'cpu' or 'cuda'.

    Returns:
        str: bf16 on a processor that has it (1.8 to 2 times as fast), for
        networks of which was measured that nobody notices; fp32 otherwise. On
        GPUs neither was measured.
    """
    harmless = isinstance(network, MeasuredInBFloat16) and \
        network.bfloat16_difference < _UNNOTICED
    return 'bf16' if device == 'cpu' and harmless and has_bfloat16_arithmetic() else 'fp32'


def prepare_network(network: nn.Module, precision: str = 'fp32', device: str = 'cpu',
                    compile: bool = False, graphs: bool = False) -> nn.Module:
    """Make a network compute as asked; it is changed.

    Of a :class:`~cdvd_mm.models.protocols.MixedPrecisionNetwork`, CDVDNet for
    one, fp16 and bf16 hold for one part, two thirds of the work and more on a
    GPU; flow, correlation, warping and the prior stay in float32 (TF32 on a
    GPU). Other networks are left as they are: :func:`computing` is their
    precision.

    Args:
        network (nn.Module): A restorer's ``generator``.
        precision (str): fp32, tf32, fp16 or bf16.
        device (str): 'cpu' or 'cuda'.
        compile (bool): Use torch.compile for that part.
        graphs (bool): Record the calls of streaming as CUDA graphs, of all networks.

    Returns:
        nn.Module: The network itself.

    Raises:
        ValueError: An unknown precision.
    """
    if precision not in PRECISIONS:
        raise ValueError(f'unknown precision {precision!r}: expected one of '
                         f'{", ".join(PRECISIONS)}')
    on_gpu = device.startswith('cuda')
    if isinstance(network, MixedPrecisionNetwork):
        part = network.get_submodule(network.half_part)
        if precision in _DTYPES:
            part = InHalfPrecision(part, _DTYPES[precision], on_gpu)
        elif precision == 'tf32' and on_gpu:
            part = part.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        setattr(network, network.half_part, Compiled(part) if compile else part)
    elif compile:
        print_log(f'{type(network).__name__} is not compiled: it names no part (half_part) that '
                  'can be', 'current', logging.WARNING)
    if graphs and not on_gpu:
        print_log('CUDA graphs are not used: they need a GPU', 'current', logging.WARNING)
    return use_graphs(network) if graphs and on_gpu else network


@contextlib.contextmanager
def computing(network: nn.Module, precision: str) -> Iterator[None]:
    """Compute with a network of :func:`prepare_network`, in the precision it was prepared for.

    Args:
        network (nn.Module): The network.
        precision (str): fp32, tf32, fp16 or bf16.
    """
    as_a_whole = precision in _DTYPES and not isinstance(network, MixedPrecisionNetwork)
    device = next((p.device for p in network.parameters()), torch.device('cpu'))
    with matmul_precision(precision), torch.autocast(device.type, _DTYPES.get(precision),
                                                     enabled=as_a_whole):
        yield


@contextlib.contextmanager
def matmul_precision(precision: str) -> Iterator[None]:
    """Allow or forbid TF32 for a while, and put the process's settings back.

    Args:
        precision (str): fp32 forbids it, all others allow it.
    """
    allowed = precision != 'fp32'
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    matmul.allow_tf32 = cudnn.allow_tf32 = allowed
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before
