"""Padding of frames to the size that a network can take."""

import torch.nn.functional as F
from torch import Tensor


def pad_to_multiple(frames: Tensor, divisor: int, min_size: int = 0) -> Tensor:
    """Pad height and width at the bottom and right to multiples of ``divisor``.

    Frames are reflected where they are large enough for it, and their last
    row and column repeated otherwise.

    Args:
        frames (Tensor): (..., c, h, w) with one or two leading dimensions.
        divisor (int): What height and width must be multiples of.
        min_size (int): What they must reach; what is missing then is the last
            row and column repeated. Default: 0, any size.

    Returns:
        Tensor: (..., c, h', w'); ``frames`` itself where nothing is missing.
    """
    height, width = frames.shape[-2:]
    pad_h, pad_w = -height % divisor, -width % divisor
    more_h = max(0, min_size - height - pad_h)
    more_w = max(0, min_size - width - pad_w)
    if not (pad_h or pad_w or more_h or more_w):
        return frames
    flat = frames.flatten(0, -4)  # (n, c, h, w)
    if pad_h or pad_w:
        mode = 'reflect' if pad_h < height and pad_w < width else 'replicate'
        flat = F.pad(flat, (0, pad_w, 0, pad_h), mode=mode)
    if more_h or more_w:
        flat = F.pad(flat, (0, more_w, 0, more_h), mode='replicate')
    return flat.unflatten(0, frames.shape[:-3])
