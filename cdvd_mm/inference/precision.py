"""How a network computes: precision, memory format, compilation."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

PRECISIONS = ('fp32', 'tf32', 'fp16', 'bf16')
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
        self.network = network.to(dtype=dtype, memory_format=self.memory_format)
        # the last layer makes the picture: in half precision it would be cut to 8 or 11 bits
        last = getattr(network, 'out_block', None)
        if isinstance(last, nn.Sequential) and isinstance(last[-1], nn.Conv2d):
            last[-1] = InFloat32(last[-1])

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
        self._compiled = torch.compile(module, dynamic=False)

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
                          'current', 30)
                self._compiled = None
        return self.module(*args)


class _Autocast(nn.Module):
    """A network without known parts, under autocast."""

    def __init__(self, network: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.network = network
        self.dtype = dtype

    def __getattr__(self, name: str) -> object:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return self._wrapped(getattr(self.network, name))

    def _wrapped(self, value: object) -> object:
        if not callable(value) or isinstance(value, nn.Module):
            return value

        def call(*args: object, **kwargs: object) -> object:
            device = next(self.network.parameters()).device.type
            with torch.autocast(device, self.dtype):
                return value(*args, **kwargs)

        return call

    def forward(self, *args: object, **kwargs: object) -> object:
        return self._wrapped(self.network.__call__)(*args, **kwargs)


def prepare_network(network: nn.Module, precision: str = 'fp32', device: str = 'cpu',
                    compile: bool = False) -> nn.Module:
    """Make a network compute as asked; it is changed.

    With CDVDNet, fp16 and bf16 hold for the restoration network, two thirds of
    the work and more on a GPU. Flow, correlation, warping and the prior stay in
    float32 (TF32 on a GPU): a flow in bf16 is off by a tenth of a pixel.

    Args:
        network (nn.Module): A restorer's ``generator``.
        precision (str): fp32, tf32, fp16 or bf16.
        device (str): 'cpu' or 'cuda'.
        compile (bool): Use torch.compile for the restoration network.

    Returns:
        nn.Module: The network to be called.

    Raises:
        ValueError: An unknown precision.
    """
    if precision not in PRECISIONS:
        raise ValueError(f'unknown precision {precision!r}: expected one of '
                         f'{", ".join(PRECISIONS)}')
    on_gpu = device.startswith('cuda')
    dtype = _DTYPES.get(precision)
    reconstruction = getattr(network, 'reconstruction', None)
    if dtype is not None:
        if reconstruction is not None:
            network.reconstruction = InHalfPrecision(reconstruction, dtype, on_gpu)
        else:
            network = _Autocast(network, dtype)
    elif reconstruction is not None and precision == 'tf32' and on_gpu:
        network.reconstruction.to(memory_format=torch.channels_last)
    if compile:
        if reconstruction is None:
            print_log(f'{type(network).__name__} is not compiled: only networks with a part '
                      'named reconstruction are', 'current', 30)
        else:
            network.reconstruction = Compiled(network.reconstruction)
    return network


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
