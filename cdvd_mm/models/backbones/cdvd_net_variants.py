"""Forms of CDVDNet for ablations."""

from torch import Tensor

from cdvd_mm.registry import MODELS

from .blocks import ReconstructionNet
from .cdvd_net import CDVDNet, StageDetails


@MODELS.register_module()
class BlurredFlowCDVDNet(CDVDNet):
    """CDVDNet whose stages all align frames by the flow of the *blurred* frames.

    The paper estimates flow anew from what the stage before restored
    (section 4.2, "effect of the cascaded training"); here it is estimated
    once. Parameters are those of CDVDNet.

    Args:
        **kwargs: See :class:`CDVDNet`; ``flow_estimator`` must not be None.

    Raises:
        ValueError: Without a flow estimator; and as CDVDNet.
    """

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        if self.flow_estimator is None:
            raise ValueError('BlurredFlowCDVDNet needs a flow_estimator')

    def forward_stages(self, frames: Tensor,
                       num_active_stages: int | None = None) -> list[Tensor]:
        """As CDVDNet's: (n, t, 3, h, w) to the restored frames of every stage."""
        return [stage.restored for stage in self.forward_details(frames, num_active_stages)]

    def forward_details(self, frames: Tensor,
                        num_active_stages: int | None = None) -> list[StageDetails]:
        """As CDVDNet's, with the flow of the blurred frames in every stage."""
        num_stages = self._num_active(num_active_stages)
        self._check_clip(frames, num_stages)
        n, length = frames.shape[:2]
        features = {name: x.unflatten(0, (n, length))
                    for name, x in self.encode(frames.flatten(0, 1)).items()}

        def shifts(x: Tensor) -> list[Tensor]:
            number = x.shape[1] - 2
            return [x[:, k:number + k].flatten(0, 1) for k in range(3)]

        outputs = []
        for stage in range(num_stages):
            shifted = {name: shifts(x[:, stage:length - stage]) for name, x in features.items()}
            aligned = self.align(shifts(frames),
                                 [{name: x[k] for name, x in shifted.items()} for k in range(3)])
            sharpness = self.sharpness(aligned)
            restored = self.restore(aligned, sharpness)
            details = StageDetails(*(
                None if value is None else value.unflatten(0, (n, frames.shape[1] - 2))
                for value in (restored, *aligned, sharpness)))
            frames = details.restored
            outputs.append(details)
        return outputs


@MODELS.register_module()
class SingleFrameCDVDNet(CDVDNet):
    """CDVDNet that sees a single frame in place of three: no neighbours, flow or prior.

    Args:
        **kwargs: See :class:`CDVDNet`; ``flow_estimator`` and ``prior`` are
            taken as None whatever is given.
    """

    def __init__(self, mid_channels: int = 32, num_blocks: int = 3, **kwargs) -> None:
        kwargs.update(flow_estimator=None, prior=None)
        super().__init__(mid_channels=mid_channels, num_blocks=num_blocks, **kwargs)
        self.reconstruction = ReconstructionNet(
            in_channels=3, channels=(mid_channels, 2 * mid_channels, 4 * mid_channels),
            num_blocks=num_blocks, zero_output=self.predict_residual)

    def restore(self, aligned, sharpness: Tensor | None = None) -> Tensor:
        """Restore the middle frames of n triples from themselves: (n, 3, h, w)."""
        middle = aligned.frames[:, 1]
        return self._reconstruct(middle, middle)
