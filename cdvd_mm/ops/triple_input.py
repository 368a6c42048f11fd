"""What the restoration network takes, from frames and flows, without steps in between."""

import torch
import torch.nn.functional as F
from torch import Tensor

from . import backends
from .flow_warp import warp_with_mask_torch


def triple_input(before: Tensor, middle: Tensor, after: Tensor, flow_before: Tensor,
                 flow_after: Tensor, patch_size: int = 5, threshold: float = 0.999,
                 backend: str = 'auto') -> Tensor:
    """Warp both neighbours, blank what is not valid, compute S, put all together.

    The sharpness prior S is the released form of method (Pan et al. 2020,
    section 3.3): mean-filtered frames, ``exp(-sqrt(sum of squares / 2))``,
    0 where a neighbour is not valid; no gradient flows through it.

    Args:
        before (Tensor): Previous frames (n, 3, h, w), RGB in [0, 1].
        middle (Tensor): Middle frames (n, 3, h, w).
        after (Tensor): Next frames (n, 3, h, w).
        flow_before (Tensor): (n, 2, h, w) in pixels, x then y, from the
            middle to the previous frame.
        flow_after (Tensor): From the middle to the next frame.
        patch_size (int): Side of the mean filter, odd.
        threshold (float): See :func:`cdvd_mm.ops.validity_mask`.
        backend (str): 'torch', 'triton' (one kernel), or 'auto'.

    Returns:
        Tensor: (n, 10, h, w): warped previous, middle, warped next frame, S.

    Raises:
        ValueError: Shapes that do not fit, an even patch, a backend that is
            unknown or cannot take these tensors.
    """
    shape = middle.shape
    flow_shape = (shape[0], 2, *shape[2:])
    if middle.ndim != 4 or shape[1] != 3 or before.shape != shape or after.shape != shape:
        raise ValueError('expected three RGB frames (n, 3, h, w) of one shape, found '
                         f'{tuple(before.shape)}, {tuple(shape)}, {tuple(after.shape)}')
    if tuple(flow_before.shape) != flow_shape or tuple(flow_after.shape) != flow_shape:
        raise ValueError(f'expected flows {flow_shape}, found {tuple(flow_before.shape)} and '
                         f'{tuple(flow_after.shape)}')
    if patch_size < 1 or patch_size % 2 == 0:
        raise ValueError(f'patch_size must be odd and positive, found {patch_size}')
    return backends.run(backend, 'triple_input', triple_input_torch,
                        (before, middle, after, flow_before, flow_after), patch_size, threshold)


def triple_input_torch(before: Tensor, middle: Tensor, after: Tensor, flow_before: Tensor,
                       flow_after: Tensor, patch_size: int = 5,
                       threshold: float = 0.999) -> Tensor:
    """Plain-torch reference of :func:`triple_input`; same arguments, unchecked."""
    warped, masks = zip(*(warp_with_mask_torch(frame, flow, threshold)
                          for frame, flow in ((before, flow_before), (after, flow_after))))
    with torch.no_grad():
        # the filter is linear: the mean of differences is the difference of means
        differences = [F.avg_pool2d((frame - middle).float()
                                    if frame.dtype in (torch.float16, torch.bfloat16)
                                    else frame - middle, patch_size, stride=1,
                                    padding=patch_size // 2, count_include_pad=True)
                       for frame in warped]
        first, second = ((d**2).sum(dim=1, keepdim=True) for d in differences)  # (n, 1, h, w)
        sharpness = torch.exp(-torch.sqrt((first + second) / 2)) * masks[0] * masks[1]
    return torch.cat((warped[0], middle, warped[1], sharpness.to(middle.dtype)), dim=1)
