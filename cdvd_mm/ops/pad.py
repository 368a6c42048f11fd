"""Padding of frames to the size that a network can take."""

import torch.nn.functional as F
from torch import Tensor


def pad_to_multiple(frames: Tensor, divisor: int) -> Tensor:
    """Pad height and width at the bottom and right to multiples of ``divisor``.

    Frames are reflected where they are large enough for it, and their last
    row and column repeated otherwise.

    Args:
        frames (Tensor): (..., c, h, w) with one or two leading dimensions.
        divisor (int): What height and width must be multiples of.

    Returns:
        Tensor: (..., c, h', w'); ``frames`` itself where nothing is missing.
    """
    height, width = frames.shape[-2:]
    pad_h, pad_w = -height % divisor, -width % divisor
    if not (pad_h or pad_w):
        return frames
    mode = 'reflect' if pad_h < height and pad_w < width else 'replicate'
    flat = frames.flatten(0, -4)  # (n, c, h, w)
    return F.pad(flat, (0, pad_w, 0, pad_h), mode=mode).unflatten(0, frames.shape[:-3])
