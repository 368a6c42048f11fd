"""Frames of any size for networks that take some sizes only."""

from collections.abc import Callable
from typing import TypeVar

import torch.nn.functional as F
from torch import Tensor
from torch.utils._pytree import tree_map_only

T = TypeVar('T')


def padded_size(size: tuple[int, int], divisor: int, min_size: int = 1) -> tuple[int, int]:
    """Height and width that :func:`pad_to_multiple` brings frames of ``size`` to."""
    height, width = (max(-(-side // divisor), -(-min_size // divisor)) * divisor for side in size)
    return height, width


def pad_to_multiple(frames: Tensor, divisor: int, min_size: int = 1) -> Tensor:
    """Pad height and width at the bottom and right to multiples of ``divisor``.

    Up to the next multiple frames are reflected where they are large enough
    for it; what is missing then is their last row and column repeated.

    Args:
        frames (Tensor): (..., c, h, w), any range.
        divisor (int): What height and width must be multiples of.
        min_size (int): What height and width must be at least.

    Returns:
        Tensor: (..., c, h', w'); ``frames`` itself where nothing is missing.
    """
    height, width = frames.shape[-2:]
    flat = frames.reshape(-1, *frames.shape[-3:])  # (n, c, h, w)
    pad_h, pad_w = -height % divisor, -width % divisor
    if pad_h or pad_w:
        mode = 'reflect' if pad_h < height and pad_w < width else 'replicate'
        flat = F.pad(flat, (0, pad_w, 0, pad_h), mode=mode)
    new_height, new_width = padded_size((height, width), divisor, min_size)
    more = (0, new_width - flat.shape[-1], 0, new_height - flat.shape[-2])
    if any(more):
        flat = F.pad(flat, more, mode='replicate')
    return frames if flat.shape[-2:] == frames.shape[-2:] \
        else flat.reshape(*frames.shape[:-2], new_height, new_width)


def run_padded(function: Callable[[Tensor], T], frames: Tensor, divisor: int,
               min_size: int = 1) -> T:
    """Call a function on padded frames, and crop what it gives to their size.

    Args:
        function (Callable): Takes frames; gives a tensor of their height and
            width, or lists and tuples of such, with None in them or not.
        frames (Tensor): (..., c, h, w), any range.
        divisor (int): See :func:`pad_to_multiple`.
        min_size (int): See there.

    Returns:
        What the function gives, every tensor cut to (..., h, w).
    """
    height, width = frames.shape[-2:]
    result = function(pad_to_multiple(frames, divisor, min_size))
    return tree_map_only(Tensor, lambda x: x[..., :height, :width], result)
