"""The temporal sharpness prior (CVPR 2020, section 3.3)."""


import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor

from cdvd_mm.registry import MODELS

FORMS = ('released', 'paper')


@MODELS.register_module()
class TemporalSharpnessPrior(BaseModule):
    """How far the aligned neighbours agree with the middle frame.

    A pixel that looks the same in three aligned frames is likely sharp in
    all of them; where blur differs from frame to frame, so do the colours.

    Args:
        form (str): ``'released'``, the form that the released weights were
            trained with: frames are detached and mean-filtered
            (``patch_size`` squared, zero padding, always divided by the full
            patch), ``S = exp(-sqrt(sum_c sum_j (f_j - m)^2 / 2))``, 0 where a
            neighbour is not valid. ``'paper'``, eq. (10)-(11): unfiltered,
            ``S = exp(-1/2 sum_j D_j)`` with D_j the squared difference summed
            over the channels and over the patch around the pixel; it takes no
            mask (a blanked neighbour differs by itself) and lets gradients
            through.
        patch_size (int): side of the patch, odd. The paper leaves it open;
            the released network uses 5.

    Raises:
        ValueError: an unknown form, an even or non-positive patch size.
    """

    def __init__(self, form: str = 'released', patch_size: int = 5) -> None:
        super().__init__()
        if form not in FORMS:
            raise ValueError(f'prior form {form!r} is unknown; choose from {FORMS}')
        if patch_size < 1 or patch_size % 2 == 0:
            raise ValueError(f'patch_size must be odd and positive, not {patch_size}')
        self.form = form
        self.patch_size = patch_size

    def forward(self, aligned: Tensor, masks: Tensor | None = None) -> Tensor:
        """Compute S.

        Args:
            aligned (Tensor): (n, 3, c, h, w), previous, middle, next frame,
                the neighbours warped to the middle one; [0, 1].
            masks (Tensor, optional): validity of the neighbours
                (n, 2, 1, h, w), or of all three frames (n, 3, 1, h, w);
                0 or 1. None: everything is valid.

        Returns:
            Tensor: S (n, 1, h, w) in [0, 1]; 1 means likely sharp. float32 at
            least, also under autocast.

        Raises:
            ValueError: shapes other than these.
        """
        self._check(aligned, masks)
        with torch.autocast(aligned.device.type, enabled=False):
            aligned = aligned.to(torch.promote_types(aligned.dtype, torch.float32))
            if self.form == 'paper':
                return self._paper(aligned)
            return self._released(aligned.detach(), masks)

    def _released(self, aligned: Tensor, masks: Tensor | None) -> Tensor:
        filtered = self._patch_mean(aligned.flatten(0, 1)).view_as(aligned)
        distance = self._squared_distance(filtered)  # (n, 1, h, w)
        sharpness = torch.exp(-torch.sqrt(distance / 2))
        if masks is not None:
            sharpness = sharpness * masks.to(sharpness.dtype).prod(dim=1)
        return sharpness

    def _paper(self, aligned: Tensor) -> Tensor:
        # eq. (11): D_j summed over the patch; eq. (10): S
        distance = self._squared_distance(aligned)
        return torch.exp(-0.5 * self.patch_size**2 * self._patch_mean(distance))

    def _patch_mean(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, self.patch_size, stride=1, padding=self.patch_size // 2,
                            count_include_pad=True)

    @staticmethod
    def _squared_distance(frames: Tensor) -> Tensor:
        """(n, 3, c, h, w) -> (n, 1, h, w): neighbours to the middle frame, summed."""
        before, middle, after = frames.unbind(dim=1)
        return ((before - middle)**2 + (after - middle)**2).sum(dim=1, keepdim=True)

    @staticmethod
    def _check(aligned: Tensor, masks: Tensor | None) -> None:
        if aligned.ndim != 5 or aligned.shape[1] != 3:
            raise ValueError('the prior takes three aligned frames (n, 3, c, h, w), not '
                             f'{tuple(aligned.shape)}')
        n, _, _, h, w = aligned.shape
        if masks is not None and tuple(masks.shape) not in {(n, 2, 1, h, w), (n, 3, 1, h, w)}:
            raise ValueError(f'masks of frames {tuple(aligned.shape)} must be {(n, 2, 1, h, w)} '
                             f'or {(n, 3, 1, h, w)}, not {tuple(masks.shape)}')
