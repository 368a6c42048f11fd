"""Warping, its validity mask and both gradients, a pass over memory each."""

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable


@triton.jit
def corners(fx, fy, x, y, height, width, BORDER: tl.constexpr):
    """Where and how much of the four corners; the slope of the clamping, 0 or 1.

    ``align_corners=True``: a flow of 1 is one pixel. With border padding the
    place is clamped into the frame, as torch's grid_sample does it.
    """
    px = fx + x
    py = fy + y
    slope_x = 1.
    slope_y = 1.
    if BORDER:
        slope_x = tl.where((px > 0) & (px < width - 1), 1., 0.)
        slope_y = tl.where((py > 0) & (py < height - 1), 1., 0.)
        px = tl.minimum(tl.maximum(px, 0.), width - 1.)
        py = tl.minimum(tl.maximum(py, 0.), height - 1.)
    else:  # far outside everything is zero anyway; keeps the integers small
        px = tl.minimum(tl.maximum(px, -2.), width + 1.)
        py = tl.minimum(tl.maximum(py, -2.), height + 1.)
    left = tl.floor(px)
    top = tl.floor(py)
    return left.to(tl.int32), top.to(tl.int32), px - left, py - top, slope_x, slope_y


@triton.jit
def fetch(plane, x, y, height, width, wanted, ACC: tl.constexpr):
    """A pixel, 0 outside of the frame."""
    inside = wanted & (x >= 0) & (x < width) & (y >= 0) & (y < height)
    return tl.load(plane + y * width + x, mask=inside, other=0.).to(ACC)


@triton.jit
def validity(fx, fy, x, y, height, width, threshold):
    """1 where an image of ones, warped with zero padding, reaches the threshold."""
    px = fx + x
    py = fy + y
    weight_x = tl.minimum(tl.maximum(tl.minimum(px + 1., width - px), 0.), 1.)
    weight_y = tl.minimum(tl.maximum(tl.minimum(py + 1., height - py), 0.), 1.)
    return tl.where(weight_x * weight_y >= threshold, 1., 0.)


@triton.jit
def _forward(frames, flow, out, mask_out, channels: tl.constexpr, height, width, threshold,
             BORDER: tl.constexpr, MASK: tl.constexpr, BLOCK: tl.constexpr, ACC: tl.constexpr):
    pixel = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    image = tl.program_id(1)
    plane = height * width
    here = pixel < plane
    x = (pixel % width).to(ACC)
    y = (pixel // width).to(ACC)
    fx = tl.load(flow + image * 2 * plane + pixel, mask=here, other=0.).to(ACC)
    fy = tl.load(flow + (image * 2 + 1) * plane + pixel, mask=here, other=0.).to(ACC)
    left, top, wx, wy, _, _ = corners(fx, fy, x, y, height, width, BORDER)
    valid = tl.full((BLOCK, ), 1., ACC)
    if MASK:
        valid = validity(fx, fy, x, y, height, width, threshold).to(ACC)
        tl.store(mask_out + image * plane + pixel, valid.to(mask_out.dtype.element_ty), mask=here)
    for c in range(channels):
        source = frames + (image * channels + c) * plane
        upper = fetch(source, left, top, height, width, here, ACC) * (1. - wx) \
            + fetch(source, left + 1, top, height, width, here, ACC) * wx
        lower = fetch(source, left, top + 1, height, width, here, ACC) * (1. - wx) \
            + fetch(source, left + 1, top + 1, height, width, here, ACC) * wx
        value = (upper * (1. - wy) + lower * wy) * valid
        tl.store(out + (image * channels + c) * plane + pixel,
                 value.to(out.dtype.element_ty), mask=here)


@triton.jit
def _scatter(target, x, y, height, width, wanted, value):
    inside = wanted & (x >= 0) & (x < width) & (y >= 0) & (y < height)
    tl.atomic_add(target + y * width + x, value, mask=inside)


@triton.jit
def _backward(grad, frames, flow, grad_frames, grad_flow, channels: tl.constexpr, height, width,
              threshold, BORDER: tl.constexpr, MASK: tl.constexpr, FRAMES: tl.constexpr,
              FLOW: tl.constexpr, BLOCK: tl.constexpr, ACC: tl.constexpr):
    pixel = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    image = tl.program_id(1)
    plane = height * width
    here = pixel < plane
    x = (pixel % width).to(ACC)
    y = (pixel // width).to(ACC)
    fx = tl.load(flow + image * 2 * plane + pixel, mask=here, other=0.).to(ACC)
    fy = tl.load(flow + (image * 2 + 1) * plane + pixel, mask=here, other=0.).to(ACC)
    left, top, wx, wy, slope_x, slope_y = corners(fx, fy, x, y, height, width, BORDER)
    valid = tl.full((BLOCK, ), 1., ACC)
    if MASK:
        valid = validity(fx, fy, x, y, height, width, threshold).to(ACC)
    along_x = tl.zeros((BLOCK, ), ACC)
    along_y = tl.zeros((BLOCK, ), ACC)
    for c in range(channels):
        offset = (image * channels + c) * plane
        g = tl.load(grad + offset + pixel, mask=here, other=0.).to(ACC) * valid
        if FRAMES:
            target = grad_frames + offset
            _scatter(target, left, top, height, width, here, g * (1. - wx) * (1. - wy))
            _scatter(target, left + 1, top, height, width, here, g * wx * (1. - wy))
            _scatter(target, left, top + 1, height, width, here, g * (1. - wx) * wy)
            _scatter(target, left + 1, top + 1, height, width, here, g * wx * wy)
        if FLOW:
            source = frames + offset
            a = fetch(source, left, top, height, width, here, ACC)
            b = fetch(source, left + 1, top, height, width, here, ACC)
            d = fetch(source, left, top + 1, height, width, here, ACC)
            e = fetch(source, left + 1, top + 1, height, width, here, ACC)
            along_x += g * ((b - a) * (1. - wy) + (e - d) * wy)
            along_y += g * ((d - a) * (1. - wx) + (e - b) * wx)
    if FLOW:
        tl.store(grad_flow + image * 2 * plane + pixel,
                 (along_x * slope_x).to(grad_flow.dtype.element_ty), mask=here)
        tl.store(grad_flow + (image * 2 + 1) * plane + pixel,
                 (along_y * slope_y).to(grad_flow.dtype.element_ty), mask=here)


_BLOCK = 256


def _accumulator(*tensors: Tensor) -> object:
    return tl.float64 if any(t.dtype == torch.float64 for t in tensors) else tl.float32


def warp_forward(frames: Tensor, flow: Tensor, border: bool,
                 threshold: float | None) -> tuple[Tensor, Tensor]:
    """Warped frames and mask (empty without a threshold) of contiguous tensors."""
    n, channels, height, width = frames.shape
    out = torch.empty_like(frames)
    mask = frames.new_empty((n, 1, height, width) if threshold is not None else (1, ))
    _forward[(triton.cdiv(height * width, _BLOCK), n)](
        frames, flow, out, mask, channels, height, width, threshold or 0., BORDER=border,
        MASK=threshold is not None, BLOCK=_BLOCK, ACC=_accumulator(frames, flow))
    return out, mask


def warp_backward(grad: Tensor, frames: Tensor, flow: Tensor, border: bool,
                  threshold: float | None, need_frames: bool,
                  need_flow: bool) -> tuple[Tensor | None, Tensor | None]:
    """Gradients for frames and flow of contiguous tensors.

    Several pixels may fetch from one, so the frames' gradient is summed by
    atomics: in float32 at least, in no fixed order.
    """
    n, channels, height, width = frames.shape
    summed = torch.promote_types(frames.dtype, torch.float32)
    grad_frames = torch.zeros_like(frames, dtype=summed) if need_frames else None
    grad_flow = torch.empty_like(flow) if need_flow else None
    _backward[(triton.cdiv(height * width, _BLOCK), n)](
        grad, frames, flow, grad_frames if need_frames else frames,
        grad_flow if need_flow else flow, channels, height, width, threshold or 0.,
        BORDER=border, MASK=threshold is not None, FRAMES=need_frames, FLOW=need_flow,
        BLOCK=_BLOCK, ACC=_accumulator(frames, flow))
    return None if grad_frames is None else grad_frames.to(frames.dtype), grad_flow


class _Warp(torch.autograd.Function):

    @staticmethod
    def forward(ctx, frames: Tensor, flow: Tensor, border: bool,
                threshold: float | None) -> tuple[Tensor, Tensor]:
        frames, flow = frames.contiguous(), flow.contiguous()
        ctx.save_for_backward(frames, flow)
        ctx.border, ctx.threshold = border, threshold
        out, mask = warp_forward(frames, flow, border, threshold)
        ctx.mark_non_differentiable(mask)
        return out, mask

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor, _: Tensor) -> tuple:
        frames, flow = ctx.saved_tensors
        return *warp_backward(grad.contiguous(), frames, flow, ctx.border, ctx.threshold,
                              *ctx.needs_input_grad[:2]), None, None


def flow_warp(frames: Tensor, flow: Tensor, padding_mode: str = 'border') -> Tensor:
    """As :func:`cdvd_mm.ops.flow_warp.flow_warp_torch`."""
    return _Warp.apply(frames, flow, padding_mode == 'border', None)[0]


def warp_with_mask(frames: Tensor, flow: Tensor, threshold: float = 0.999,
                   padding_mode: str = 'border') -> tuple[Tensor, Tensor]:
    """As :func:`cdvd_mm.ops.flow_warp.warp_with_mask`, in one pass."""
    return _Warp.apply(frames, flow, padding_mode == 'border', threshold)
