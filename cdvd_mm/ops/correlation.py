"""Local correlation of two feature maps (the cost volume of PWC-Net)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from . import backends


def correlation(reference: Tensor, neighbour: Tensor, max_displacement: int = 4,
                normalize: bool = False, backend: str = 'auto') -> Tensor:
    """Compare every pixel with the neighbour's pixels around its place.

    ``out[:, k, y, x] = sum_c reference[:, c, y, x] * neighbour[:, c, y + dy, x + dx]``
    with ``k = (dy + d) * (2 d + 1) + dx + d`` and d = ``max_displacement``;
    the neighbour is zero outside of itself. (Sun et al., PWC-Net, eq. 2.)

    Args:
        reference (Tensor): (n, c, h, w).
        neighbour (Tensor): (n, c, h, w).
        max_displacement (int): d, at least 0.
        normalize (bool): divide by the number of channels (``scaled=True``
            in MMFlow's words).
        backend (str): ``'torch'``, ``'triton'``, or ``'auto'``: Triton for
            tensors on a GPU where it works.

    Returns:
        Tensor: (n, (2 d + 1)^2, h, w), dtype of ``reference``.

    Raises:
        ValueError: shapes that differ, a negative displacement, a backend
            that is unknown or cannot take these tensors.
    """
    if reference.ndim != 4 or reference.shape != neighbour.shape:
        raise ValueError('correlation takes two feature maps of one shape (n, c, h, w), not '
                         f'{tuple(reference.shape)} and {tuple(neighbour.shape)}')
    if max_displacement < 0:
        raise ValueError(f'max_displacement must be 0 or more, not {max_displacement}')
    return backends.run(backend, 'correlation', correlation_torch, (reference, neighbour),
                        max_displacement, normalize)


def correlation_torch(reference: Tensor, neighbour: Tensor, max_displacement: int = 4,
                      normalize: bool = False) -> Tensor:
    """Plain-torch reference of :func:`correlation`; same arguments, unchecked."""
    height, width = reference.shape[-2:]
    if normalize:
        reference = reference / reference.shape[1]
    pad = max_displacement
    padded = F.pad(neighbour, (pad, pad, pad, pad))
    return torch.stack(
        [torch.linalg.vecdot(reference, padded[:, :, dy:dy + height, dx:dx + width], dim=1)
         for dy in range(2 * pad + 1) for dx in range(2 * pad + 1)], dim=1)
