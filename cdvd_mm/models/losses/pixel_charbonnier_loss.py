"""Charbonnier loss with one distance a pixel."""

from mmengine.model import BaseModule
from torch import Tensor

from cdvd_mm.registry import MODELS


@MODELS.register_module()
class PixelCharbonnierLoss(BaseModule):
    """``sqrt(mean over the channels of squared differences + eps)``, mean over the pixels.

    MMagic's ``CharbonnierLoss`` takes the root of every channel on its own.

    Args:
        eps (float): Added under the root. Default: 1e-6 (ESTRNN).
        loss_weight (float): Factor of the result. Default: 1.
    """

    def __init__(self, eps: float = 1e-6, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.eps = eps
        self.loss_weight = loss_weight

    def forward(self, pred: Tensor, target: Tensor) -> Tensor:
        """Compute the loss.

        Args:
            pred (Tensor): (..., c, h, w), any range.
            target (Tensor): As ``pred``.

        Returns:
            Tensor: Scalar.

        Raises:
            ValueError: Shapes that differ.
        """
        if pred.shape != target.shape:
            raise ValueError('the loss takes a prediction and a target of one shape '
                             f'(..., c, h, w), not {tuple(pred.shape)} and {tuple(target.shape)}')
        distances = ((pred - target).square().mean(dim=-3) + self.eps).sqrt()  # (..., h, w)
        return self.loss_weight * distances.mean()
