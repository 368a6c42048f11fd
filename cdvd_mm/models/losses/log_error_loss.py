"""Charbonnier loss with the logarithm of every picture's error beside it."""

import torch
from mmengine.model import BaseModule
from torch import Tensor

from cdvd_mm.registry import MODELS


@MODELS.register_module()
class LogErrorLoss(BaseModule):
    """``mean(sqrt(d^2 + eps)) + log_weight * mean over pictures of ln(MSE + floor)``.

    The logarithm counts a decibel gained alike in a picture that is nearly sharp and in one that is
    not; the first part alone leaves mild blur, and what is sharp already, nearly unregarded.

    Args:
        log_weight (float): Weight of the logarithm. Default: 0.005.
        floor (float): Error below which nothing is to be gained. Default: 3e-5 (45 dB).
        eps (float): Added under the root. Default: 1e-6.
        loss_weight (float): Factor of the result. Default: 1.
    """

    def __init__(self, log_weight: float = 0.005, floor: float = 3e-5, eps: float = 1e-6,
                 loss_weight: float = 1.0) -> None:
        super().__init__()
        self.log_weight = log_weight
        self.floor = floor
        self.eps = eps
        self.loss_weight = loss_weight

    def forward(self, pred: Tensor, target: Tensor) -> Tensor:
        """Compute the loss.

        Args:
            pred (Tensor): (n, c, h, w), values of 0 to 1.
            target (Tensor): As ``pred``.

        Returns:
            Tensor: Scalar.

        Raises:
            ValueError: Shapes that differ.
        """
        if pred.shape != target.shape:
            raise ValueError('the loss takes a prediction and a target of one shape (n, c, h, w), '
                             f'not {tuple(pred.shape)} and {tuple(target.shape)}')
        squares = (pred.float() - target).square()
        distance = (squares + self.eps).sqrt().mean()
        errors = torch.log(squares.flatten(1).mean(1) + self.floor)  # (n, )
        return self.loss_weight * (distance + self.log_weight * errors.mean())
