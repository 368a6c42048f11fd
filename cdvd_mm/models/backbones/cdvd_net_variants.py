"""Forms of CDVDNet for ablations."""

from typing import Any

from torch import Tensor

from cdvd_mm.registry import MODELS

from .blocks import ReconstructionNet
from .cdvd_net import AlignedTriples, CDVDNet


@MODELS.register_module()
class SingleFrameCDVDNet(CDVDNet):
    """CDVDNet that sees a single frame in place of three: no neighbours, flow or prior.

    Args:
        **kwargs: See :class:`CDVDNet`; ``flow_estimator`` and ``prior`` are
            taken as None whatever is given.
    """

    def __init__(self, mid_channels: int = 32, num_blocks: int = 3, **kwargs: Any) -> None:
        kwargs.update(flow_estimator=None, prior=None)
        super().__init__(mid_channels=mid_channels, num_blocks=num_blocks, **kwargs)
        # In place of the one for three frames, which is drawn first: built alone, its weights
        # would start elsewhere than those of the documented ablation.
        self.reconstruction = ReconstructionNet(
            in_channels=3, channels=(mid_channels, 2 * mid_channels, 4 * mid_channels),
            num_blocks=num_blocks, zero_output=self.predict_residual)

    def restore(self, aligned: AlignedTriples, sharpness: Tensor | None = None) -> Tensor:
        """Restore the middle frames of n triples from themselves: (n, 3, h, w)."""
        middle = aligned.frames[:, 1]
        return self._reconstruct(middle, middle)
