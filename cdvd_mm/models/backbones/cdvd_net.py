"""The cascaded deblurring network with temporal sharpness prior (CVPR 2020)."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from mmengine.model import BaseModule
from torch import Tensor

from cdvd_mm.models.priors import TemporalSharpnessPrior
from cdvd_mm.models.protocols import Features, StageDetails
from cdvd_mm.ops import backends, triple_input, warp_with_mask
from cdvd_mm.registry import MODELS

from .blocks import ReconstructionNet

PWCNET_ESTIMATOR = {'type': 'cdvd_mm.MMFlowEstimator'}
RELEASED_PRIOR = {'type': 'cdvd_mm.TemporalSharpnessPrior'}
FLOW_SOURCES = ('restored', 'blurred')


class AlignedTriples(NamedTuple):
    """n triples of adjacent frames, the outer ones warped to the middle one.

    Attributes:
        frames (Tensor): (n, 3, c, h, w): warped previous frame, middle frame,
            warped next frame; RGB in [0, 1], 0 where not valid.
        masks (Tensor): (n, 2, 1, h, w), validity of the warped frames, 0 or 1.
        flows (Tensor, optional): (n, 2, 2, h, w) in pixels, x then y, from the
            middle frame to the previous and to the next one. None where no
            flow is estimated.
    """

    frames: Tensor
    masks: Tensor
    flows: Tensor | None


@MODELS.register_module()
class CDVDNet(BaseModule):
    """Cascaded deep video deblurring with the temporal sharpness prior.

    A stage restores the middle of every three adjacent frames: flow to both
    neighbours, warping, sharpness prior S, restoration network on
    ``cat(warped previous, middle, warped next, S)``. The next stage does the
    same to the results, with the same parameters. A stage takes all its
    triples as one batch and computes each frame's flow features once.

    Pan, Bai, Tang: Cascaded Deep Video Deblurring Using Temporal Sharpness
    Prior, CVPR 2020. The defaults give the released network, 16,187,045
    parameters with PWC-Net.

    Args:
        num_frames (int): frames of a window, ``2 * num_stages + 1``.
        num_stages (int): T, at least 1.
        mid_channels (int): width of the restoration network at full size.
        num_blocks (int): residual blocks in each of its six parts.
        flow_estimator (dict, optional): config of the flow estimator. None:
            neighbours are taken as they are (ablation).
        prior (dict, optional): config of the sharpness prior. None: no S, 9
            input channels (ablation).
        predict_residual (bool): the restoration network's output is added to
            the middle frame, and starts at zero (``init_weights``). The paper
            predicts the frame itself.
        reconstruction (dict, optional): config of another restoration network,
            such as ``dict(type='TripleUNet')``: built with ``in_channels``, it
            takes (n, in_channels, h, w) and gives the middle frames. Default:
            None, that of the paper, of ``mid_channels`` and ``num_blocks``.
        flow_source (str): what later stages align their frames by:
            ``'restored'``, flow estimated anew between what the stage before
            restored (the paper, section 4.2, "effect of the cascaded
            training"), or ``'blurred'``, that of the blurred frames (ablation).
        init_cfg (dict, optional): initialisation, see mmengine's BaseModule.

    Raises:
        ValueError: an even ``num_frames``, or one that does not fit
            ``num_stages``; an unknown ``flow_source``, or ``'blurred'``
            without a flow estimator.
    """

    size_divisor = 4
    min_size = 1
    half_part = 'reconstruction'  # a flow in half precision would be off by a tenth of a pixel
    bfloat16_difference = 0.015

    def __init__(self,
                 num_frames: int = 5,
                 num_stages: int = 2,
                 mid_channels: int = 32,
                 num_blocks: int = 3,
                 flow_estimator: dict | None = PWCNET_ESTIMATOR,
                 prior: dict | None = RELEASED_PRIOR,
                 predict_residual: bool = False,
                 reconstruction: dict | None = None,
                 flow_source: str = 'restored',
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg=init_cfg)
        _check_window(num_frames, num_stages)
        if flow_source not in FLOW_SOURCES:
            raise ValueError(f'flow_source {flow_source!r} is unknown; choose from {FLOW_SOURCES}')
        if flow_source == 'blurred' and flow_estimator is None:
            raise ValueError("flow_source='blurred' needs a flow_estimator, which is None")
        self.flow_source = flow_source
        self.num_frames = num_frames
        self.num_stages = num_stages
        self.predict_residual = predict_residual
        self.flow_estimator: Any = None if flow_estimator is None else MODELS.build(flow_estimator)
        self.prior: Any = None if prior is None else MODELS.build(prior)
        in_channels = 9 if prior is None else 10
        self.reconstruction: Any = ReconstructionNet(
            in_channels=in_channels,
            channels=(mid_channels, 2 * mid_channels, 4 * mid_channels),
            num_blocks=num_blocks,
            zero_output=predict_residual
        ) if reconstruction is None else MODELS.build(dict(reconstruction, in_channels=in_channels))
        self.size_divisor = getattr(self.reconstruction, 'size_divisor', self.size_divisor)

    def forward(self, frames: Tensor) -> Tensor:
        """Restore the centre frame of a window.

        Args:
            frames (Tensor): (n, num_frames, 3, h, w) RGB in [0, 1]; h and w
                multiples of 4.

        Returns:
            Tensor: (n, 3, h, w) RGB, not clamped.

        Raises:
            ValueError: another shape.
        """
        if frames.ndim == 5 and frames.shape[1] != self.num_frames:
            raise ValueError(f'this model restores windows of {self.num_frames} frames, not of '
                             f'{frames.shape[1]}')
        return self.forward_stages(frames)[-1][:, 0]

    def forward_stages(self, frames: Tensor,
                       num_active_stages: int | None = None) -> list[Tensor]:
        """Restore what every stage can of a clip.

        Args:
            frames (Tensor): (n, t, 3, h, w) RGB in [0, 1]; h and w multiples
                of 4, t at least ``2 * num_active_stages + 1``.
            num_active_stages (int, optional): stages to run, 1 to
                ``num_stages``. None: all.

        Returns:
            list[Tensor]: of stage s = 1, 2, ...: (n, t - 2 s, 3, h, w), its
            restored frames, not clamped; the first is frame s of the clip,
            counted from 0.

        Raises:
            ValueError: another shape or number of stages.
        """
        outputs: list[Tensor] = []
        features: Features = None
        for _ in range(self._checked_stages(frames, num_active_stages)):
            features = self._clip_features(frames, features)
            restored = self.restore_triples(*_triples(frames, features))
            frames = restored.unflatten(0, (frames.shape[0], -1))  # (n, t - 2, c, h, w)
            outputs.append(frames)
        return outputs

    def forward_details(self, frames: Tensor,
                        num_active_stages: int | None = None) -> list[StageDetails]:
        """As :meth:`forward_stages`, with flow, warped frames, masks and S.

        Args:
            frames (Tensor): (n, t, 3, h, w) RGB in [0, 1].
            num_active_stages (int, optional): stages to run. None: all.

        Returns:
            list[StageDetails]: one for each stage.

        Raises:
            ValueError: another shape or number of stages.
        """
        outputs: list[StageDetails] = []
        features: Features = None
        for _ in range(self._checked_stages(frames, num_active_stages)):
            features = self._clip_features(frames, features)
            aligned = self.align(*_triples(frames, features))
            sharpness = self.sharpness(aligned)
            restored = self.restore(aligned, sharpness)
            parts = (None if value is None else value.unflatten(0, (frames.shape[0], -1))
                     for value in (restored, *aligned, sharpness))
            outputs.append(StageDetails(*parts))  # type: ignore[arg-type]  # None in its place
            frames = outputs[-1].restored
        return outputs

    # -- the steps of a stage, for whoever goes through a video frame by frame

    def encode(self, frames: Tensor) -> Features:
        """Compute the flow features of single frames.

        Args:
            frames (Tensor): (n, 3, h, w) RGB in [0, 1].

        Returns:
            dict[str, Tensor], optional: features; dimension 0 of each is n.
            None where no flow is estimated.
        """
        return None if self.flow_estimator is None else self.flow_estimator.encode(frames)

    def restored_features(self, restored: Tensor, features: Features) -> Features:
        """Give the flow features of frames that a stage restored, by ``flow_source``.

        Args:
            restored (Tensor): (n, 3, h, w) RGB.
            features (dict[str, Tensor], optional): of the same frames before.

        Returns:
            dict[str, Tensor], optional: as :meth:`encode`.
        """
        return features if self.flow_source == 'blurred' else self.encode(restored)

    def restore_triples(self, frames: Sequence[Tensor],
                        features: Sequence[Features] | None = None) -> Tensor:
        """Run one stage on n triples.

        Args:
            frames (Sequence[Tensor]): previous, middle and next frames, each
                (n, 3, h, w) RGB in [0, 1].
            features (Sequence[dict], optional): what :meth:`encode` gave for
                each of the three. None: computed here.

        Returns:
            Tensor: the restored middle frames (n, 3, h, w), not clamped.
        """
        if self._is_fused(frames[1]):
            flow = self._flows(frames, features)
            n = frames[1].shape[0]
            before, middle, after = frames
            inputs = triple_input(before, middle, after, flow[:n], flow[n:],
                                  self.prior.patch_size)
            return self._reconstruct(inputs, middle)
        aligned = self.align(frames, features)
        return self.restore(aligned, self.sharpness(aligned))

    def _is_fused(self, frames: Tensor) -> bool:
        """Whether warping, prior and concatenation are one kernel: on GPUs, the released form."""
        return (self.flow_estimator is not None
                and isinstance(self.prior, TemporalSharpnessPrior)
                and self.prior.form == 'released'
                and backends.chosen('auto', frames) == 'triton')

    def align(self, frames: Sequence[Tensor],
              features: Sequence[Features] | None = None) -> AlignedTriples:
        """Warp the outer frames of n triples to the middle ones.

        Args:
            frames (Sequence[Tensor]): previous, middle and next frames, each
                (n, 3, h, w) RGB in [0, 1].
            features (Sequence[dict], optional): what :meth:`encode` gave for
                each of the three. None: computed here.

        Returns:
            AlignedTriples: aligned frames, masks, flows.
        """
        before, middle, after = frames
        n, _, height, width = middle.shape
        if self.flow_estimator is None:
            return AlignedTriples(torch.stack((before, middle, after), dim=1),
                                  middle.new_ones(n, 2, 1, height, width), None)
        flow = self._flows(frames, features)
        warped, masks = warp_with_mask(torch.cat((before, after)), flow)
        return AlignedTriples(
            torch.stack((warped[:n], middle, warped[n:]), dim=1),
            torch.stack((masks[:n], masks[n:]), dim=1),
            torch.stack((flow[:n], flow[n:]), dim=1))

    def _flows(self, frames: Sequence[Tensor], features: Sequence[Features] | None) -> Tensor:
        """From the middle frames to both neighbours: (2 n, 2, h, w), the previous ones first."""
        if features is None:
            features = [self.encode(frame) for frame in frames]
        before, middle, after = features
        return self.flow_estimator.decode(_cat(middle, middle), _cat(before, after),
                                          size=tuple(frames[1].shape[-2:]))

    def sharpness(self, aligned: AlignedTriples) -> Tensor | None:
        """Compute the prior of the middle frames: S (n, 1, h, w) in [0, 1], or None."""
        return None if self.prior is None else self.prior(aligned.frames, aligned.masks)

    def restore(self, aligned: AlignedTriples, sharpness: Tensor | None) -> Tensor:
        """Restore the middle frames of n aligned triples: (n, 3, h, w)."""
        inputs = aligned.frames.flatten(1, 2)  # (n, 9, h, w)
        if sharpness is not None:
            inputs = torch.cat((inputs, sharpness.to(inputs.dtype)), dim=1)  # (n, 10, h, w)
        return self._reconstruct(inputs, aligned.frames[:, 1])

    def _reconstruct(self, inputs: Tensor, middle: Tensor) -> Tensor:
        restored = self.reconstruction(inputs)
        return restored + middle if self.predict_residual else restored

    def _clip_features(self, frames: Tensor, before: Features) -> Features:
        """Flow features of all frames of a stage's clip, each computed once.

        Args:
            frames (Tensor): (n, t, c, h, w).
            before (dict[str, Tensor], optional): those of the stage before,
                of t + 2 frames. None: this is the first stage.

        Returns:
            dict[str, Tensor], optional: each (n, t, ...).
        """
        if before is not None and self.flow_source == 'blurred':
            return {name: x[:, 1:-1] for name, x in before.items()}
        features = self.encode(frames.flatten(0, 1))
        return features and {name: x.unflatten(0, tuple(frames.shape[:2]))
                             for name, x in features.items()}

    def _checked_stages(self, frames: Tensor, num_active_stages: int | None) -> int:
        """The number of stages to run on a clip that they can run on."""
        num_stages = self.num_stages if num_active_stages is None else num_active_stages
        if not 1 <= num_stages <= self.num_stages:
            raise ValueError(f'num_active_stages must be 1 to {self.num_stages}, not {num_stages}')
        shape = tuple(frames.shape)
        if frames.ndim != 5 or shape[2] != 3:
            raise ValueError(f'CDVDNet takes RGB clips (n, t, 3, h, w), not {shape}')
        if shape[1] < 2 * num_stages + 1:
            raise ValueError(f'{num_stages} stages need {2 * num_stages + 1} frames or more, got '
                             f'{shape[1]}')
        if shape[3] % self.size_divisor or shape[4] % self.size_divisor:
            raise ValueError(f'height and width must be multiples of {self.size_divisor}, not '
                             f'{shape[3]} and {shape[4]}; pad or crop the frames')
        return num_stages


def _triples(frames: Tensor, features: Features
             ) -> tuple[list[Tensor], list[dict[str, Tensor]] | None]:
    """Cut a clip (n, t, c, h, w) and its features into n (t - 2) triples of neighbours."""

    def shifts(x: Tensor) -> list[Tensor]:
        return [x[:, k:x.shape[1] - 2 + k].flatten(0, 1) for k in range(3)]

    if features is None:
        return shifts(frames), None
    shifted = {name: shifts(x) for name, x in features.items()}
    return shifts(frames), [{name: x[k] for name, x in shifted.items()} for k in range(3)]


def _cat(first: Features, second: Features) -> dict[str, Tensor]:
    assert first is not None and second is not None
    return {name: torch.cat((x, second[name])) for name, x in first.items()}


def _check_window(num_frames: int, num_stages: int) -> None:
    if num_stages < 1:
        raise ValueError(f'num_stages must be 1 or more, not {num_stages}')
    fits = f'num_stages={num_stages} needs num_frames={2 * num_stages + 1}'
    if num_frames % 2 == 0:
        raise ValueError(f'num_frames must be odd, as the middle frame is restored, not '
                         f'{num_frames}; {fits}')
    if num_frames != 2 * num_stages + 1:
        alternative = f', num_frames={num_frames} fits num_stages={num_frames // 2}' \
            if num_frames >= 3 else ''
        raise ValueError(f'num_frames={num_frames} does not fit num_stages={num_stages}: '
                         f'{fits}{alternative}')
