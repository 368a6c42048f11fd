"""mmcv's operators in torch: correlation and deformable convolution.

Correlation is written out here in mmcv's general form. Deformable convolution
goes through torchvision's compiled operator where it takes the tensors, and
through the plain form below otherwise; both agree to rounding.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def correlation(input1: Tensor, input2: Tensor, kernel_size=(1, 1), patch_size=(9, 9),
                stride=(1, 1), padding=(0, 0), dilation=(1, 1), dilation_patch=(1, 1)) -> Tensor:
    """Correlate patches of one feature map with shifted patches of another.

    Args:
        input1 (Tensor): Features (n, c, h, w).
        input2 (Tensor): Features (n, c, h, w), shifted against ``input1``.
        kernel_size (tuple[int]): Height and width of the compared patches.
        patch_size (tuple[int]): Number of shifts in y and x, odd.
        stride (tuple[int]): Step between outputs.
        padding (tuple[int]): Zeros added around ``input1`` on each side.
        dilation (tuple[int]): Spacing inside the compared patches.
        dilation_patch (tuple[int]): Step between shifts, in pixels.

    Returns:
        Tensor: Sums over channels and patch, not averaged
        (n, patch_size[0], patch_size[1], h_out, w_out); ``input2`` counts as
        zero outside. Source: FlowNet (Dosovitskiy et al. 2015), eq. 1.
    """
    reach_y = patch_size[0] // 2 * dilation_patch[0]
    reach_x = patch_size[1] // 2 * dilation_patch[1]
    pad_y, pad_x = padding
    first = F.pad(input1, (pad_x, pad_x, pad_y, pad_y))
    second = F.pad(input2, (pad_x + reach_x, ) * 2 + (pad_y + reach_y, ) * 2)
    height, width = first.shape[-2:]
    rows = []
    for dy in range(0, 2 * reach_y + 1, dilation_patch[0]):
        for dx in range(0, 2 * reach_x + 1, dilation_patch[1]):
            shifted = second[..., dy:dy + height, dx:dx + width]
            rows.append(torch.linalg.vecdot(first, shifted, dim=1))
    product = torch.stack(rows, 1)  # (n, shifts, h, w)
    if tuple(kernel_size) != (1, 1):
        ones = product.new_ones((product.shape[1], 1, *kernel_size))
        product = F.conv2d(product, ones, stride=stride, dilation=dilation,
                           groups=product.shape[1])
    elif tuple(stride) != (1, 1):
        product = product[..., ::stride[0], ::stride[1]]
    return product.unflatten(1, tuple(patch_size))


def deform_conv2d(input: Tensor, offset: Tensor, weight: Tensor, bias: Tensor | None = None,
                  mask: Tensor | None = None, stride=(1, 1), padding=(0, 0),
                  dilation=(1, 1)) -> Tensor:
    """Deformable convolution; with ``mask`` the modulated form.

    Args:
        input (Tensor): Features (n, c_in, h, w).
        offset (Tensor): (n, 2 * deform_groups * kh * kw, h_out, w_out), y before
            x for each tap, in pixels.
        weight (Tensor): (c_out, c_in / groups, kh, kw).
        bias (Tensor, optional): (c_out, ).
        mask (Tensor, optional): (n, deform_groups * kh * kw, h_out, w_out).
        stride (tuple[int]): Step in y and x.
        padding (tuple[int]): Zeros around the input.
        dilation (tuple[int]): Spacing of the taps.

    Returns:
        Tensor: (n, c_out, h_out, w_out). Source: Dai et al. 2017; Zhu et al.
        2019, eq. 1. The gradient of the offset is mmcv's: that of the slope
        towards the next pixel down and right where a tap lies on a pixel, and
        zero where it lies at or beyond the first pixel outside of the input.
    """
    if torch.is_grad_enabled() and offset.requires_grad:
        reaches = _reaches_input(offset, input.shape[-2:], weight.shape[-2:], stride, padding,
                                 dilation)
        offset = torch.where(reaches, offset, offset.detach())
    compiled = _compiled_deform_conv2d(input)
    function = compiled or plain_deform_conv2d
    return function(input, offset, weight, bias, stride, padding, dilation, mask)


@torch.no_grad()
def _reaches_input(offset: Tensor, size, kernel_size, stride, padding, dilation) -> Tensor:
    """Where a tap lies less than a pixel outside: bool, of the shape of ``offset``."""
    (height, width), (y, x) = size, _positions(offset, kernel_size, stride, padding, dilation)
    reaches = (y > -1) & (y < height) & (x > -1) & (x < width)
    return reaches.unsqueeze(3).expand(*y.shape[:3], 2, *y.shape[3:]).reshape(offset.shape)


def _positions(offset: Tensor, kernel_size, stride, padding, dilation) -> tuple[Tensor, Tensor]:
    """Where the taps lie in the input: y and x, each (n, deform_groups, taps, h_out, w_out)."""
    kernel_h, kernel_w = kernel_size

    def regular(length, count, index):
        positions = torch.arange(length, device=offset.device) * stride[index] - padding[index]
        return positions, torch.arange(count, device=offset.device) * dilation[index]

    row, tap_y = regular(offset.shape[-2], kernel_h, 0)
    column, tap_x = regular(offset.shape[-1], kernel_w, 1)
    offset = offset.view(offset.shape[0], -1, kernel_h * kernel_w, 2, *offset.shape[-2:])
    y = offset[:, :, :, 0] + row[:, None] + tap_y.repeat_interleave(kernel_w).view(-1, 1, 1)
    x = offset[:, :, :, 1] + column + tap_x.repeat(kernel_h).view(-1, 1, 1)
    return y, x


def _compiled_deform_conv2d(input: Tensor):
    """Return torchvision's operator where it is there and takes the type."""
    try:
        from torchvision.extension import _has_ops
        from torchvision.ops import deform_conv2d as compiled
    except ImportError:
        return None
    half_on_gpu = input.is_cuda and input.dtype == torch.float16
    if not _has_ops() or not (input.dtype in (torch.float32, torch.float64) or half_on_gpu):
        return None
    return compiled


def plain_deform_conv2d(input: Tensor, offset: Tensor, weight: Tensor, bias: Tensor | None = None,
                        stride=(1, 1), padding=(0, 0), dilation=(1, 1),
                        mask: Tensor | None = None) -> Tensor:
    """The reference of ``deform_conv2d``, argument for argument torchvision's."""
    n, channels, height, width = input.shape
    kernel_h, kernel_w = weight.shape[-2:]
    taps = kernel_h * kernel_w
    out_h, out_w = offset.shape[-2:]
    deform_groups = offset.shape[1] // (2 * taps)
    groups = channels // weight.shape[1]

    y, x = _positions(offset, (kernel_h, kernel_w), stride, padding, dilation)
    features = input.reshape(n * deform_groups, channels // deform_groups, height, width)
    # (n * deform_groups, taps, h_out, w_out) -> sampled (n * dg, c / dg, taps, h_out, w_out)
    sampled = _sample(features, y.flatten(0, 1), x.flatten(0, 1))
    if mask is not None:
        sampled = sampled * mask.reshape(n * deform_groups, 1, taps, out_h, out_w)
    sampled = sampled.reshape(n, groups, channels // groups * taps, out_h * out_w)
    kernel = weight.reshape(groups, weight.shape[0] // groups, -1)
    output = torch.einsum('gok,ngkp->ngop', kernel, sampled).reshape(n, -1, out_h, out_w)
    return output if bias is None else output + bias.view(1, -1, 1, 1)


def _sample(features: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """Read (n, c, h, w) at positions (n, k, h_out, w_out), bilinear, zero outside."""
    n, channels, height, width = features.shape
    flat = features.flatten(2)
    top, left = y.floor(), x.floor()
    total = features.new_zeros(())
    for row, weight_y in ((top, 1 - (y - top)), (top + 1, y - top)):
        for column, weight_x in ((left, 1 - (x - left)), (left + 1, x - left)):
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            index = row.clamp(0, height - 1) * width + column.clamp(0, width - 1)
            index = index.long().flatten(1).unsqueeze(1).expand(-1, channels, -1)
            values = flat.gather(2, index).unflatten(2, y.shape[1:])
            total = total + values * (weight_y * weight_x * inside).unsqueeze(1)
    return total
