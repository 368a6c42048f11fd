"""Backward warping by optical flow, and the validity of what it fetched."""

import torch
import torch.nn.functional as F
from torch import Tensor

from . import backends

PADDING_MODES = ('border', 'zeros')


def flow_warp(frames: Tensor, flow: Tensor, padding_mode: str = 'border',
              backend: str = 'auto') -> Tensor:
    """Fetch every output pixel from where the flow points to.

    ``out[:, :, y, x] = frames[:, :, y + flow_y, x + flow_x]``, bilinear,
    ``align_corners=True``. The sampling runs in float32 at least, whatever
    the frames are stored in: half precision cannot address a pixel of a
    720p frame.

    Args:
        frames (Tensor): (n, c, h, w), any range.
        flow (Tensor): (n, 2, h, w) in pixels, x then y, from the output to
            ``frames``.
        padding_mode (str): ``'border'`` repeats the frame's edge outside of
            it, ``'zeros'`` puts zeros there.
        backend (str): ``'torch'``, ``'triton'``, or ``'auto'``: Triton for
            tensors on a GPU where it works.

    Returns:
        Tensor: (n, c, h, w), dtype of ``frames``.

    Raises:
        ValueError: shapes that do not fit, an unknown padding mode, a backend
            that is unknown or cannot take these tensors.
    """
    _check(frames, flow, padding_mode)
    return backends.run(backend, 'flow_warp', flow_warp_torch, (frames, flow), padding_mode)


def flow_warp_torch(frames: Tensor, flow: Tensor, padding_mode: str = 'border') -> Tensor:
    """Plain-torch reference of :func:`flow_warp`; same arguments, unchecked."""
    dtype = torch.promote_types(frames.dtype, torch.float32)
    x, y = _positions(flow.to(dtype))
    height, width = flow.shape[-2:]
    # grid_sample wants the frame to span [-1, 1]: (n, h, w, 2)
    grid = torch.stack((x * (2.0 / max(width - 1, 1)) - 1.0,
                        y * (2.0 / max(height - 1, 1)) - 1.0), dim=-1)
    with torch.autocast(frames.device.type, enabled=False):
        warped = F.grid_sample(frames.to(dtype), grid, mode='bilinear',
                               padding_mode=padding_mode, align_corners=True)
    return warped.to(frames.dtype)


def validity_mask(flow: Tensor, threshold: float = 0.999) -> Tensor:
    """Tell where :func:`flow_warp` found real pixels.

    This is an image of ones warped with zero padding, cut at ``threshold``.
    Such an image is known in closed form (one ramp at each side, a pixel
    wide), so nothing is sampled. There is no gradient.

    Args:
        flow (Tensor): (n, 2, h, w) in pixels.
        threshold (float): bilinear weight on pixels inside the frame from
            which on a pixel is valid.

    Returns:
        Tensor: (n, 1, h, w), 0 or 1, float32 at least.
    """
    flow = flow.detach()
    x, y = _positions(flow.to(torch.promote_types(flow.dtype, torch.float32)))
    height, width = flow.shape[-2:]
    weight_x = torch.minimum(x + 1, width - x).clamp_(0, 1)
    weight_y = torch.minimum(y + 1, height - y).clamp_(0, 1)
    valid = weight_x.mul_(weight_y) >= threshold
    return valid.to(weight_x.dtype).unsqueeze(1)


def warp_with_mask(frames: Tensor, flow: Tensor, threshold: float = 0.999,
                   padding_mode: str = 'border', backend: str = 'auto') -> tuple[Tensor, Tensor]:
    """Warp and blank what came from outside of the frame.

    Args:
        frames (Tensor): (n, c, h, w), any range.
        flow (Tensor): (n, 2, h, w) in pixels, x then y.
        threshold (float): see :func:`validity_mask`.
        padding_mode (str): see :func:`flow_warp`.
        backend (str): see :func:`flow_warp`.

    Returns:
        tuple[Tensor, Tensor]: the warped frames times the mask
        (n, c, h, w), and the mask (n, 1, h, w), 0 or 1.
    """
    _check(frames, flow, padding_mode)
    return backends.run(backend, 'warp_with_mask', warp_with_mask_torch, (frames, flow),
                        threshold, padding_mode)


def warp_with_mask_torch(frames: Tensor, flow: Tensor, threshold: float = 0.999,
                         padding_mode: str = 'border') -> tuple[Tensor, Tensor]:
    """Plain-torch reference of :func:`warp_with_mask`; same arguments, unchecked."""
    warped = flow_warp_torch(frames, flow, padding_mode)
    mask = validity_mask(flow, threshold).to(warped.dtype)
    return warped * mask, mask


def _positions(flow: Tensor) -> tuple[Tensor, Tensor]:
    """Where each pixel is fetched from: x and y, each (n, h, w)."""
    height, width = flow.shape[-2:]
    x = flow[:, 0] + torch.arange(width, device=flow.device, dtype=flow.dtype)
    y = flow[:, 1] + torch.arange(height, device=flow.device, dtype=flow.dtype)[:, None]
    return x, y


def _check(frames: Tensor, flow: Tensor, padding_mode: str) -> None:
    if padding_mode not in PADDING_MODES:
        raise ValueError(f'padding_mode {padding_mode!r} is unknown; choose from {PADDING_MODES}')
    if frames.ndim != 4 or flow.ndim != 4 or flow.shape[1] != 2:
        raise ValueError('flow_warp takes frames (n, c, h, w) and a flow (n, 2, h, w), not '
                         f'{tuple(frames.shape)} and {tuple(flow.shape)}')
    if frames.shape[0] != flow.shape[0] or frames.shape[-2:] != flow.shape[-2:]:
        raise ValueError(f'frames {tuple(frames.shape)} and flow {tuple(flow.shape)} differ in '
                         'batch size, height or width')
