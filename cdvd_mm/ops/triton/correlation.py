"""Correlation in one pass: every displacement of a row of pixels at a time."""

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable


@triton.jit
def _forward(reference, neighbour, out, channels: tl.constexpr, height, width, scale,
             D: tl.constexpr, SPAN: tl.constexpr, BLOCK: tl.constexpr, ACC: tl.constexpr):
    """Pixels [x0, x0 + BLOCK) of row y, displacement row dy: all dx at once."""
    x = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    y = tl.program_id(1) % height
    image = tl.program_id(1) // height
    row = tl.program_id(2)
    k = tl.arange(0, SPAN)  # dx + D, padded to a power of two
    other_y = y + row - D
    other_x = x[None, :] + k[:, None] - D  # (SPAN, BLOCK)
    here = x < width
    there = (k[:, None] < 2 * D + 1) & (other_x >= 0) & (other_x < width) \
        & (other_y >= 0) & (other_y < height)
    plane = height * width
    first = reference + image * channels * plane + y * width + x
    second = neighbour + image * channels * plane + other_y * width + other_x
    total = tl.zeros((SPAN, BLOCK), ACC)
    for c in range(channels):
        a = tl.load(first + c * plane, mask=here, other=0.).to(ACC)
        b = tl.load(second + c * plane, mask=there, other=0.).to(ACC)
        total += a[None, :] * b
    side: tl.constexpr = 2 * D + 1
    target = out + ((image * side + row) * side + k[:, None]) * plane + y * width + x[None, :]
    tl.store(target, (total * scale).to(out.dtype.element_ty),
             mask=(k[:, None] < side) & here[None, :])


@triton.jit
def _backward(grad, other, out, channels: tl.constexpr, height, width, scale, SIGN: tl.constexpr,
              D: tl.constexpr, BLOCK: tl.constexpr, CHANNELS: tl.constexpr, ACC: tl.constexpr):
    """Gradient of one input, gathered: SIGN 1 for the reference, -1 for the neighbour."""
    x = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    y = tl.program_id(1) % height
    image = tl.program_id(1) // height
    c = tl.program_id(2) * CHANNELS + tl.arange(0, CHANNELS)
    plane = height * width
    side: tl.constexpr = 2 * D + 1
    here = x < width
    total = tl.zeros((CHANNELS, BLOCK), ACC)
    for k in range(side * side):
        dy = k // side - D
        dx = k % side - D
        far_y = y + SIGN * dy
        far_x = x + SIGN * dx
        inside = here & (far_y >= 0) & (far_y < height) & (far_x >= 0) & (far_x < width)
        far = far_y * width + far_x
        at = y * width + x if SIGN == 1 else far
        g = tl.load(grad + (image * side * side + k) * plane + at, mask=inside, other=0.).to(ACC)
        o = tl.load(other + (image * channels + c[:, None]) * plane + far[None, :],
                    mask=inside[None, :] & (c[:, None] < channels), other=0.).to(ACC)
        total += g[None, :] * o
    tl.store(out + (image * channels + c[:, None]) * plane + y * width + x[None, :],
             (total * scale).to(out.dtype.element_ty),
             mask=here[None, :] & (c[:, None] < channels))


def _accumulator(dtype: torch.dtype) -> object:
    return tl.float64 if dtype == torch.float64 else tl.float32


class _Correlation(torch.autograd.Function):

    @staticmethod
    def forward(ctx, reference: Tensor, neighbour: Tensor, radius: int, scale: float) -> Tensor:
        reference, neighbour = reference.contiguous(), neighbour.contiguous()
        ctx.save_for_backward(reference, neighbour)
        ctx.radius, ctx.scale = radius, scale
        n, channels, height, width = reference.shape
        side = 2 * radius + 1
        out = reference.new_empty(n, side * side, height, width)
        block = min(128, triton.next_power_of_2(width))
        _forward[(triton.cdiv(width, block), n * height, side)](
            reference, neighbour, out, channels, height, width, scale, D=radius,
            SPAN=triton.next_power_of_2(side), BLOCK=block, ACC=_accumulator(reference.dtype))
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple:
        reference, neighbour = ctx.saved_tensors
        n, channels, height, width = reference.shape
        grad = grad.contiguous()
        block = min(64, triton.next_power_of_2(width))
        slab = min(16, triton.next_power_of_2(channels))
        grid = (triton.cdiv(width, block), n * height, triton.cdiv(channels, slab))
        results = []
        for needed, other, sign in ((ctx.needs_input_grad[0], neighbour, 1),
                                    (ctx.needs_input_grad[1], reference, -1)):
            out = torch.empty_like(reference) if needed else None
            if needed:
                _backward[grid](grad, other, out, channels, height, width, ctx.scale, SIGN=sign,
                                D=ctx.radius, BLOCK=block, CHANNELS=slab,
                                ACC=_accumulator(reference.dtype))
            results.append(out)
        return *results, None, None


def correlation(reference: Tensor, neighbour: Tensor, max_displacement: int = 4,
                normalize: bool = False) -> Tensor:
    """As :func:`cdvd_mm.ops.correlation.correlation_torch`; sums run in float32 at least."""
    scale = 1. / reference.shape[1] if normalize else 1.
    return _Correlation.apply(reference, neighbour, max_displacement, scale)
