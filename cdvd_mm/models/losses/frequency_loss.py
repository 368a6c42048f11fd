"""Loss on the frequencies of pictures."""

import torch
from mmengine.model import BaseModule
from torch import Tensor

from cdvd_mm.registry import MODELS


@MODELS.register_module()
class FrequencyLoss(BaseModule):
    """L1 between two-dimensional Fourier transforms.

    The mean of ``|F(pred) - F(target)|``, the magnitude of complex numbers,
    over the coefficients of ``torch.fft.rfft2`` (not normalised) of every
    channel. Computed in float32 at least.

    Args:
        loss_weight (float): Factor of the result. Default: 0.1 (DSTNet+).
    """

    def __init__(self, loss_weight: float = 0.1) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, pred: Tensor, target: Tensor) -> Tensor:
        """Compute the loss.

        Args:
            pred (Tensor): (..., h, w), any range.
            target (Tensor): As ``pred``.

        Returns:
            Tensor: Scalar.

        Raises:
            ValueError: Shapes that differ.
        """
        if pred.shape != target.shape:
            raise ValueError('the loss takes a prediction and a target of one shape (..., h, w), '
                             f'not {tuple(pred.shape)} and {tuple(target.shape)}')
        difference = pred - target
        difference = difference.to(torch.promote_types(difference.dtype, torch.float32))
        return self.loss_weight * torch.fft.rfft2(difference).abs().mean()
