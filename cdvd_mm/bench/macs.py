"""Count the multiply-adds of a network with PyTorch's own counter of operations.

:mod:`torch.utils.flop_counter` knows convolutions and matrix products. What it
lacks is added here as formulas for the operators that PyTorch dispatches:
deformable convolution, the dot products of the correlation, and the
multiply-adds of the filter-adaptive convolution.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torchvision.ops  # noqa: F401  (its operators are registered by the import)
from torch import Tensor
from torch.utils._pytree import tree_map
from torch.utils.flop_counter import FlopCounterMode

from cdvd_mm.ops.backends import preferring

Shape = Sequence[int]


@dataclass(frozen=True)
class Macs:
    """Multiply-adds.

    Attributes:
        parts (dict[str, int]): Those that are really done, by operator as
            PyTorch names it: ``convolution`` (transposed ones, too),
            ``addmm``, ``deform_conv2d``, ``linalg_vecdot`` (correlation),
            ``addcmul_`` (filter-adaptive convolution) ...
        as_published (int): In the way of CDVD-TSP's published 357.9 G, which
            comes out to the last digit: transposed convolutions by their
            output (stride^2 times what is done), a bias and an activation as
            one for each output element, and nothing for the correlation.
    """

    parts: dict[str, int]
    as_published: int

    @property
    def total(self) -> int:
        """Multiply-adds that are really done."""
        return sum(self.parts.values())

    def __sub__(self, other: Macs) -> Macs:
        parts = Counter(self.parts)
        parts.subtract(other.parts)
        return Macs(dict(parts), self.as_published - other.as_published)

    def __floordiv__(self, divisor: int) -> Macs:
        return Macs({name: macs // divisor for name, macs in self.parts.items()},
                    self.as_published // divisor)


class _Counter(FlopCounterMode):
    """The counter with formulas of what it lacks, that keeps the published way's count beside.

    A formula takes an operator's arguments, with shapes in the place of
    tensors, and gives operations, two for each multiply-add.
    """

    def __init__(self) -> None:
        self.as_published = 0
        aten = torch.ops.aten
        formulas = {
            aten.convolution: self._convolution,
            aten.mm: self._matmul, aten.bmm: self._matmul, aten.addmm: self._addmm,
            torch.ops.torchvision.deform_conv2d: self._deform_conv,
            aten.addcmul_: self._addcmul, aten.linalg_vecdot: self._vecdot,
            **dict.fromkeys((aten.relu, aten.relu_, aten.leaky_relu, aten.leaky_relu_,
                             aten.prelu), self._activation),
            # whole, or by the kernel that was chosen for it
            **dict.fromkeys((aten.scaled_dot_product_attention,
                             aten._scaled_dot_product_flash_attention_for_cpu,
                             aten._scaled_dot_product_flash_attention,
                             aten._scaled_dot_product_efficient_attention,
                             aten._scaled_dot_product_cudnn_attention), self._attention),
        }
        # without the overloads the counter takes composite operators apart
        overloads = {getattr(packet, name): formula for packet, formula in formulas.items()
                     for name in packet.overloads()}
        super().__init__(display=False, custom_mapping={**formulas, **overloads})

    def _add(self, macs: int, as_published: int | None = None) -> int:
        self.as_published += macs if as_published is None else as_published
        return 2 * macs

    def _convolution(self, x: Shape, weight: Shape, bias: Shape | None, stride: Any, padding: Any,
                     dilation: Any, transposed: bool, output_padding: Any, groups: int,
                     out_shape: Shape) -> int:
        # weight: (c_out, c_in / groups, ...), of a transposed one (c_in, c_out / groups, ...)
        outputs, taps = math.prod(out_shape), math.prod(weight[2:])
        by_output = outputs * taps * (weight[0] // groups if transposed else weight[1])
        macs = math.prod(x) * taps * weight[1] if transposed else by_output
        return self._add(macs, by_output + (0 if bias is None else outputs))

    def _matmul(self, x: Shape, other: Shape, out_shape: Shape, **kwargs: Any) -> int:
        return self._add(math.prod(out_shape) * x[-1])

    def _addmm(self, bias: Shape, x: Shape, other: Shape, out_shape: Shape, **kwargs: Any) -> int:
        outputs = math.prod(out_shape)
        return self._add(outputs * x[-1], outputs * (x[-1] + 1))

    def _attention(self, query: Shape, key: Shape, value: Shape, *args: Any, out_shape: Any,
                   **kwargs: Any) -> int:
        # query times key, weights times value
        queries = math.prod(query[:-1])
        return self._add(queries * key[-2] * (key[-1] + value[-1]))

    def _deform_conv(self, x: Shape, weight: Shape, *args: Any, out_shape: Shape) -> int:
        return self._add(math.prod(out_shape) * math.prod(weight[1:]))

    def _addcmul(self, *args: Any, out_shape: Shape, **kwargs: Any) -> int:
        return self._add(math.prod(out_shape))

    def _vecdot(self, x: Shape, *args: Any, out_shape: Shape, **kwargs: Any) -> int:
        return self._add(math.prod(x), as_published=0)

    def _activation(self, *args: Any, out_shape: Shape, **kwargs: Any) -> int:
        return self._add(0, as_published=math.prod(out_shape))


def count_macs(function: Callable, *args: Any, **kwargs: Any) -> Macs:
    """Run a function once, without gradients, and count its multiply-adds.

    Counted is what PyTorch dispatches: convolutions, matrix products,
    deformable convolutions (sampling not included), dot products, and
    ``addcmul_``. Other element-wise operations, warping and pooling are not.
    The package's ops run in plain torch meanwhile, as kernels of Triton, like
    those of a compiled mmcv, are no operators of PyTorch.

    Args:
        function (Callable): What to count, a network for instance. Tensors
            that it keeps from calls before must be of
            ``torch.inference_mode``, too: only then is the correlation seen.
        *args: Its arguments.
        **kwargs: Its arguments.

    Returns:
        Macs: Multiply-adds by operator.
    """
    counter = _Counter()
    # tensors of inference mode keep composite operators (linalg_vecdot) whole
    with torch.inference_mode(), preferring('torch'):
        args, kwargs = tree_map(lambda x: x.clone() if isinstance(x, Tensor) else x,
                                (args, kwargs))
        with counter:
            function(*args, **kwargs)
    counts = counter.get_flop_counts().get('Global', {})
    return Macs({operator.__name__: flops // 2 for operator, flops in counts.items() if flops},
                counter.as_published)
