"""Filter adaptive convolution: every pixel and channel has its own kernel.

Source: Zhou et al., "Spatio-Temporal Filter Adaptive Network for Video
Deblurring", ICCV 2019 (arXiv 1904.12257), section 3.2.
"""


import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ['filter_adaptive_conv']


def _check(features: Tensor, kernels: Tensor, kernel_size: int) -> None:
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise ValueError(f'kernel_size must be odd and positive, found {kernel_size}.')
    if features.dim() != 4:
        raise ValueError('features must be (n, c, h, w), found a tensor of shape '
                         f'{tuple(features.shape)}.')
    n, c, h, w = features.shape
    expected = (n, c * kernel_size**2, h, w)
    if tuple(kernels.shape) != expected:
        raise ValueError(f'kernels must be (n, c * kernel_size**2, h, w) = {expected} for features '
                         f'of shape {(n, c, h, w)}, found {tuple(kernels.shape)}.')


class _FilterAdaptiveConv(torch.autograd.Function):
    """One pass over the taps in each direction.

    Going through autograd tap by tap would let every tap of the backward
    pass fill a gradient of the whole padded feature and of all kernels.
    """

    @staticmethod
    def forward(ctx, padded: Tensor, kernels: Tensor, kernel_size: int) -> Tensor:
        h, w = kernels.shape[-2:]
        ctx.save_for_backward(padded, kernels)
        ctx.kernel_size = kernel_size
        # (n, c * k * k, h, w) -> (n, c, k * k, h, w), taps row by row; a view in any memory format
        taps = kernels.unflatten(1, (-1, kernel_size**2))
        # half precision is summed up in float32
        dtype = torch.promote_types(padded.dtype, kernels.dtype)
        sum_dtype = torch.float32 if dtype in (torch.float16, torch.bfloat16) else dtype
        output = torch.zeros_like(taps[:, :, 0], dtype=sum_dtype)  # in the kernels' memory format
        for tap in range(kernel_size**2):
            y, x = divmod(tap, kernel_size)
            output.addcmul_(padded[:, :, y:y + h, x:x + w], taps[:, :, tap])
        return output.to(dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple:
        padded, kernels = ctx.saved_tensors
        kernel_size = ctx.kernel_size
        h, w = kernels.shape[-2:]
        taps = kernels.unflatten(1, (-1, kernel_size**2))
        need_padded, need_kernels = ctx.needs_input_grad[:2]
        grad_padded = torch.zeros_like(padded, dtype=grad.dtype) if need_padded else None
        grad_taps = torch.empty_like(taps) if need_kernels else None
        for tap in range(kernel_size**2):
            y, x = divmod(tap, kernel_size)
            if grad_padded is not None:
                grad_padded[:, :, y:y + h, x:x + w].addcmul_(grad, taps[:, :, tap])
            if grad_taps is not None:
                grad_taps[:, :, tap] = grad * padded[:, :, y:y + h, x:x + w]
        return (None if grad_padded is None else grad_padded.to(padded.dtype),
                None if grad_taps is None else grad_taps.flatten(1, 2), None)


def filter_adaptive_conv(features: Tensor,
                         kernels: Tensor,
                         kernel_size: int,
                         padding_mode: str = 'replicate') -> Tensor:
    """Filter every pixel of every channel with a kernel of its own.

    ``output[n, c, y, x] = sum_{i, j} padded[n, c, y + i, x + j]
    * kernels[n, c * k * k + i * k + j, y, x]``: a correlation, as convolution
    layers compute it, without mixing channels. The sum runs tap by tap, so
    that no k * k-fold copy of the features is made.

    Args:
        features (Tensor): Features (n, c, h, w), any range.
        kernels (Tensor): Kernels (n, c * kernel_size**2, h, w): channel first,
            then the rows and columns of the kernel.
        kernel_size (int): Side k of the kernels, odd.
        padding_mode (str): How the features go on beyond their border:
            'replicate' (default, as in STFAN), 'reflect', 'circular' or
            'zeros'.

    Returns:
        Tensor: Filtered features (n, c, h, w).

    Raises:
        ValueError: If ``kernel_size`` is even or the shapes do not fit.
    """
    _check(features, kernels, kernel_size)
    margin = kernel_size // 2
    mode = 'constant' if padding_mode == 'zeros' else padding_mode
    # (n, c, h, w) -> (n, c, h + k - 1, w + k - 1)
    padded = F.pad(features, (margin, margin, margin, margin), mode=mode)
    return _FilterAdaptiveConv.apply(padded, kernels, kernel_size)
