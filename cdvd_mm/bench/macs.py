"""Count the multiply-adds of a network, deformable and filter-adaptive parts included."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from unittest import mock

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from cdvd_mm.ops.counting import listening


@dataclass(frozen=True)
class Macs:
    """Multiply-adds by kind of operator.

    Attributes:
        parts (dict[str, int]): ``conv``, ``conv_transpose``, ``matmul``,
            ``deform_conv``, ``correlation``, ``filter_adaptive_conv``: true
            multiply-adds.
        extras (dict[str, int]): What counters of published tables count
            besides: ``conv_transpose`` (what a transposed convolution adds if
            it is counted by its output, stride^2 times as much), ``bias`` and
            ``activation`` (one for each output element).
    """

    parts: dict[str, int]
    extras: dict[str, int]

    @property
    def total(self) -> int:
        """Multiply-adds that are really done."""
        return sum(self.parts.values())

    @property
    def total_as_published(self) -> int:
        """By the convention of CDVD-TSP's published 357.9 G.

        That number comes out to the last digit when transposed convolutions
        are counted by their output and a bias and an activation as one
        operation for each output element.
        """
        return self.total + sum(self.extras.values())

    def __add__(self, other: 'Macs') -> 'Macs':
        return Macs(dict(Counter(self.parts) + Counter(other.parts)),
                    dict(Counter(self.extras) + Counter(other.extras)))

    def __mul__(self, factor: float) -> 'Macs':
        return Macs({key: round(value * factor) for key, value in self.parts.items()},
                    {key: round(value * factor) for key, value in self.extras.items()})


class _Counting(TorchDispatchMode):
    """Sees every operator that PyTorch dispatches."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: Counter[str] = Counter()
        self.extras: Counter[str] = Counter()
        self.paused = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        output = func(*args, **(kwargs or {}))
        if not self.paused:
            count = _COUNTED.get(func._overloadpacket._qualified_op_name)
            if count is not None:
                count(self, output, *args, **(kwargs or {}))
        return output

    def add(self, op: str, macs: int) -> None:
        self.parts[op] += macs

    @contextmanager
    def pause(self) -> Iterator[None]:
        self.paused += 1
        try:
            yield
        finally:
            self.paused -= 1


def _count_conv(counting, output: Tensor, x, weight, bias=None, stride=None, padding=None,
                dilation=None, transposed=False, output_padding=None, groups=1) -> None:
    """``aten::convolution``."""
    taps = weight[0, 0].numel()
    if transposed:  # weight: (c_in, c_out / groups, ...)
        true = x.numel() * weight.shape[1] * taps
        counting.add('conv_transpose', true)
        by_output = output.numel() * weight.shape[0] // groups * taps
        counting.extras['conv_transpose'] += by_output - true
    else:  # weight: (c_out, c_in / groups, ...)
        counting.add('conv', output.numel() * weight.shape[1] * taps)
    if bias is not None:
        counting.extras['bias'] += output.numel()


def _count_matmul(position: int) -> Callable:
    """``mm`` and its relatives: the inner dimension times the output's elements."""

    def count(counting, output: Tensor, *args, **kwargs) -> None:
        counting.add('matmul', output.numel() * args[position].shape[-1])
        if position:
            counting.extras['bias'] += output.numel()

    return count


def _count_activation(counting, output: Tensor, *args, **kwargs) -> None:
    counting.extras['activation'] += output.numel()


def _count_deform_conv(counting, output: Tensor, x, weight, *args, **kwargs) -> None:
    """``torchvision::deform_conv2d``."""
    counting.add('deform_conv', output.numel() * weight[0].numel())


_COUNTED: dict[str, Callable] = {
    'aten::convolution': _count_conv,
    'aten::mm': _count_matmul(0),
    'aten::bmm': _count_matmul(0),
    'aten::addmm': _count_matmul(1),
    'aten::baddbmm': _count_matmul(1),
    'torchvision::deform_conv2d': _count_deform_conv,
    **dict.fromkeys(('aten::relu', 'aten::relu_', 'aten::leaky_relu', 'aten::leaky_relu_',
                     'aten::prelu'), _count_activation),
}


def _counted_forward(function: type, count: Callable[..., None], counting: _Counting):
    """Patch mmcv's operator, compiled or not, to be counted once, as a whole."""
    original = function.forward

    def forward(ctx, *args, **kwargs):
        with counting.pause():
            output = original(ctx, *args, **kwargs)
        count(output, *args)
        return output

    return mock.patch.object(function, 'forward', staticmethod(forward))


def _mmcv_operators(counting: _Counting) -> list:
    from mmcv.ops.correlation import CorrelationFunction
    from mmcv.ops.deform_conv import DeformConv2dFunction
    from mmcv.ops.modulated_deform_conv import ModulatedDeformConv2dFunction

    def modulated(output, x, offset, mask, weight, bias=None, *args):
        counting.add('deform_conv', output.numel() * weight[0].numel())
        if bias is not None:
            counting.extras['bias'] += output.numel()

    def deformable(output, x, offset, weight, *args):
        counting.add('deform_conv', output.numel() * weight[0].numel())

    def correlation(output, first, second, kernel_size=1, *args):
        side = kernel_size[0] if isinstance(kernel_size, (tuple, list)) else kernel_size
        counting.add('correlation', output.numel() * first.shape[1] * side**2)

    return [_counted_forward(ModulatedDeformConv2dFunction, modulated, counting),
            _counted_forward(DeformConv2dFunction, deformable, counting),
            _counted_forward(CorrelationFunction, correlation, counting)]


def count_macs(function: Callable, *args, **kwargs) -> Macs:
    """Run a function once, without gradients, and count its multiply-adds.

    Counted are convolutions, transposed convolutions and matrix products as
    PyTorch dispatches them, mmcv's and torchvision's deformable convolutions
    (sampling not included), mmcv's and this package's correlation and this
    package's filter-adaptive convolution, whatever kernel runs them.
    Element-wise operations, warping and pooling are not.

    Args:
        function (Callable): What to count, a network for instance.
        *args: Its arguments.
        **kwargs: Its arguments.

    Returns:
        Macs: Multiply-adds by kind.
    """
    counting = _Counting()
    with ExitStack() as stack:
        stack.enter_context(torch.no_grad())
        for patch in _mmcv_operators(counting):
            stack.enter_context(patch)
        stack.enter_context(listening(counting.add))
        stack.enter_context(counting)
        function(*args, **kwargs)
    return Macs(dict(counting.parts), dict(counting.extras))


def count_plain_window(network: torch.nn.Module, frames: Tensor) -> Macs:
    """Count a window of CDVDNet in which nothing is shared.

    Every triple of every stage and every flow pair is computed on its own, as
    in the authors' code; the package's own forward pass encodes a frame once
    for all its pairs.

    Args:
        network (nn.Module): A CDVDNet.
        frames (Tensor): (n, num_frames, 3, h, w) RGB in [0, 1].

    Returns:
        Macs: Multiply-adds by kind.
    """

    def run() -> None:
        clip = frames
        for _ in range(network.num_stages):
            restored = []
            for index in range(1, clip.shape[1] - 1):
                before, middle, after = clip[:, index - 1:index + 2].unbind(1)
                if network.flow_estimator is not None:
                    network.flow_estimator(middle, before)
                    network.flow_estimator(middle, after)
                triple = torch.cat((before, middle, after), dim=1)  # (n, 9, h, w)
                if network.prior is not None:
                    triple = torch.cat((triple, middle[:, :1]), dim=1)
                restored.append(network.reconstruction(triple))
            clip = torch.stack(restored, dim=1)

    return count_macs(run)
