"""Hard example mining on the pixels a prediction gets wrong."""

import torch
from mmengine.model import BaseModule
from torch import Tensor

from cdvd_mm.registry import MODELS


@MODELS.register_module()
class HardExampleMiningLoss(BaseModule):
    """L1 on the hardest pixels and on a random few.

    Everything stays on the device of the prediction, and the random pixels
    come from torch's own generator there, so ``torch.manual_seed`` fixes them.

    Args:
        hard_fraction (float): share of the pixels that count as hard: those
            whose error, summed over the channels, lies strictly above the
            value at rank ``int(hard_fraction * h * w)`` of the image's errors
            in falling order.
        random_fraction (float): share of the pixels that are added at random.
        loss_weight (float): factor of the result.

    Raises:
        ValueError: a fraction outside of [0, 1].
    """

    def __init__(self, hard_fraction: float = 0.5, random_fraction: float = 0.1,
                 loss_weight: float = 2.0) -> None:
        super().__init__()
        for name, fraction in (('hard_fraction', hard_fraction),
                               ('random_fraction', random_fraction)):
            if not 0 <= fraction <= 1:
                raise ValueError(f'{name} must lie in [0, 1], not {fraction}')
        self.hard_fraction = hard_fraction
        self.random_fraction = random_fraction
        self.loss_weight = loss_weight

    def forward(self, pred: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
        """Compute the loss.

        Args:
            pred (Tensor): (n, c, h, w); several frames may be concatenated
                along the channels, they then share one mask.
            target (Tensor): as ``pred``.
            mask (Tensor, optional): (n, 1, h, w), what :meth:`mask` gave for
                more channels than these. None: computed here.

        Returns:
            Tensor: scalar, ``loss_weight`` times the mean over *all* elements
            of ``|pred - target| * mask``.

        Raises:
            ValueError: shapes that differ or are not (n, c, h, w).
        """
        if mask is None:
            mask = self.mask(pred, target)
        return self.loss_weight * ((pred - target).abs() * mask).mean()

    @torch.no_grad()
    def mask(self, pred: Tensor, target: Tensor) -> Tensor:
        """Choose the pixels.

        Args:
            pred (Tensor): (n, c, h, w).
            target (Tensor): (n, c, h, w).

        Returns:
            Tensor: (n, 1, h, w), 0 or 1, float32 at least.
        """
        if pred.ndim != 4 or pred.shape != target.shape:
            raise ValueError('hard example mining takes a prediction and a target of one shape '
                             f'(n, c, h, w), not {tuple(pred.shape)} and {tuple(target.shape)}')
        pred = pred.to(torch.promote_types(pred.dtype, torch.float32))
        error = (pred - target).abs().sum(dim=1).flatten(1)  # (n, h*w)
        n, num_pixels = error.shape

        rank = int(self.hard_fraction * num_pixels)
        chosen = self._above_rank(error, rank)
        num_random = int(self.random_fraction * num_pixels)
        if num_random:
            # the first of a random order, drawn for each image: (n, num_random)
            drawn = torch.rand(n, num_pixels, device=error.device).topk(num_random, dim=1).indices
            chosen.scatter_(1, drawn, True)
        return chosen.view(n, 1, *pred.shape[-2:]).to(error.dtype)

    @staticmethod
    def _above_rank(error: Tensor, rank: int) -> Tensor:
        if rank >= error.shape[1]:  # every pixel: there is no value left to be above of
            return torch.ones_like(error, dtype=torch.bool)
        # the value at place `rank` (counted from 0) in falling order
        threshold = error.topk(rank + 1, dim=1).values[:, -1:]
        return error > threshold
