"""Warping, masks, sharpness prior and concatenation in one pass."""

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

from .flow_warp import corners, fetch, validity, warp_backward

_BLOCK = 128


@triton.jit
def _warped(source, image, c, x, y, left, top, wx, wy, valid, height, width, wanted,
            ACC: tl.constexpr):
    """A channel of a warped, blanked neighbour."""
    plane = source + (image * 3 + c) * height * width
    upper = fetch(plane, left, top, height, width, wanted, ACC) * (1. - wx) \
        + fetch(plane, left + 1, top, height, width, wanted, ACC) * wx
    lower = fetch(plane, left, top + 1, height, width, wanted, ACC) * (1. - wx) \
        + fetch(plane, left + 1, top + 1, height, width, wanted, ACC) * wx
    return (upper * (1. - wy) + lower * wy) * valid


@triton.jit
def _forward(before, middle, after, flow_before, flow_after, out, height, width, threshold,
             RADIUS: tl.constexpr, BLOCK: tl.constexpr, ACC: tl.constexpr):
    """All 10 channels of BLOCK pixels.

    The mean filter is linear: S needs the patch means of the differences
    alone, and the neighbours are warped anew for each of the patch's pixels
    (from the caches) instead of going through memory in between.
    """
    pixel = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    image = tl.program_id(1)
    plane = height * width
    here = pixel < plane
    x = pixel % width
    y = pixel // width
    d00 = tl.zeros((BLOCK, ), ACC)
    d01 = tl.zeros((BLOCK, ), ACC)
    d02 = tl.zeros((BLOCK, ), ACC)
    d10 = tl.zeros((BLOCK, ), ACC)
    d11 = tl.zeros((BLOCK, ), ACC)
    d12 = tl.zeros((BLOCK, ), ACC)
    both = tl.full((BLOCK, ), 1., ACC)
    side: tl.constexpr = 2 * RADIUS + 1
    target = out + image * 10 * plane + pixel
    for tap in range(side * side):
        tx = x + tap % side - RADIUS
        ty = y + tap // side - RADIUS
        wanted = here & (tx >= 0) & (tx < width) & (ty >= 0) & (ty < height)
        at = ty * width + tx
        m0 = tl.load(middle + image * 3 * plane + at, mask=wanted, other=0.).to(ACC)
        m1 = tl.load(middle + (image * 3 + 1) * plane + at, mask=wanted, other=0.).to(ACC)
        m2 = tl.load(middle + (image * 3 + 2) * plane + at, mask=wanted, other=0.).to(ACC)
        centre = tap == (side * side) // 2
        stored = here & centre
        tl.store(target + 3 * plane, m0.to(out.dtype.element_ty), mask=stored)
        tl.store(target + 4 * plane, m1.to(out.dtype.element_ty), mask=stored)
        tl.store(target + 5 * plane, m2.to(out.dtype.element_ty), mask=stored)
        fx = tl.load(flow_before + image * 2 * plane + at, mask=wanted, other=0.).to(ACC)
        fy = tl.load(flow_before + (image * 2 + 1) * plane + at, mask=wanted, other=0.).to(ACC)
        left, top, wx, wy, _, _ = corners(fx, fy, tx.to(ACC), ty.to(ACC), height, width, True)
        valid = validity(fx, fy, tx.to(ACC), ty.to(ACC), height, width, threshold)
        w0 = _warped(before, image, 0, tx, ty, left, top, wx, wy, valid, height, width, wanted,
                     ACC)
        w1 = _warped(before, image, 1, tx, ty, left, top, wx, wy, valid, height, width, wanted,
                     ACC)
        w2 = _warped(before, image, 2, tx, ty, left, top, wx, wy, valid, height, width, wanted,
                     ACC)
        d00 += w0 - m0
        d01 += w1 - m1
        d02 += w2 - m2
        both = tl.where(centre, both * valid, both)
        tl.store(target, w0.to(out.dtype.element_ty), mask=stored)
        tl.store(target + plane, w1.to(out.dtype.element_ty), mask=stored)
        tl.store(target + 2 * plane, w2.to(out.dtype.element_ty), mask=stored)
        fx = tl.load(flow_after + image * 2 * plane + at, mask=wanted, other=0.).to(ACC)
        fy = tl.load(flow_after + (image * 2 + 1) * plane + at, mask=wanted, other=0.).to(ACC)
        left, top, wx, wy, _, _ = corners(fx, fy, tx.to(ACC), ty.to(ACC), height, width, True)
        valid = validity(fx, fy, tx.to(ACC), ty.to(ACC), height, width, threshold)
        w0 = _warped(after, image, 0, tx, ty, left, top, wx, wy, valid, height, width, wanted,
                     ACC)
        w1 = _warped(after, image, 1, tx, ty, left, top, wx, wy, valid, height, width, wanted,
                     ACC)
        w2 = _warped(after, image, 2, tx, ty, left, top, wx, wy, valid, height, width, wanted,
                     ACC)
        d10 += w0 - m0
        d11 += w1 - m1
        d12 += w2 - m2
        both = tl.where(centre, both * valid, both)
        tl.store(target + 6 * plane, w0.to(out.dtype.element_ty), mask=stored)
        tl.store(target + 7 * plane, w1.to(out.dtype.element_ty), mask=stored)
        tl.store(target + 8 * plane, w2.to(out.dtype.element_ty), mask=stored)
    squares = d00 * d00 + d01 * d01 + d02 * d02 + d10 * d10 + d11 * d11 + d12 * d12
    area: tl.constexpr = side * side
    sharpness = tl.exp(-tl.sqrt(squares * 0.5) / area) * both
    tl.store(target + 9 * plane, sharpness.to(out.dtype.element_ty), mask=here)


class _TripleInput(torch.autograd.Function):

    @staticmethod
    def forward(ctx, before: Tensor, middle: Tensor, after: Tensor, flow_before: Tensor,
                flow_after: Tensor, patch_size: int, threshold: float) -> Tensor:
        tensors = [t.contiguous() for t in (before, middle, after, flow_before, flow_after)]
        ctx.save_for_backward(tensors[0], *tensors[2:])
        ctx.threshold = threshold
        n, _, height, width = middle.shape
        out = middle.new_empty(n, 10, height, width)
        wide = any(t.dtype == torch.float64 for t in tensors)
        _forward[(triton.cdiv(height * width, _BLOCK), n)](
            *tensors, out, height, width, threshold, RADIUS=patch_size // 2, BLOCK=_BLOCK,
            ACC=tl.float64 if wide else tl.float32)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple:
        before, after, flow_before, flow_after = ctx.saved_tensors
        need = ctx.needs_input_grad
        grads = {}
        for name, part, frames, flow, wanted in (
                ('before', grad[:, :3], before, flow_before, (need[0], need[3])),
                ('after', grad[:, 6:9], after, flow_after, (need[2], need[4]))):
            grads[name] = warp_backward(part.contiguous(), frames, flow, True, ctx.threshold,
                                        *wanted) if any(wanted) else (None, None)
        return (grads['before'][0], grad[:, 3:6] if need[1] else None, grads['after'][0],
                grads['before'][1], grads['after'][1], None, None)


def triple_input(before: Tensor, middle: Tensor, after: Tensor, flow_before: Tensor,
                 flow_after: Tensor, patch_size: int = 5, threshold: float = 0.999) -> Tensor:
    """As :func:`cdvd_mm.ops.triple_input.triple_input_torch`."""
    return _TripleInput.apply(before, middle, after, flow_before, flow_after, patch_size,
                              threshold)
