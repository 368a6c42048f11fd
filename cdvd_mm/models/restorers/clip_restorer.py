"""Training and testing of networks that restore a clip at once."""

import torch
from mmagic.models import BaseEditModel
from mmagic.structures import DataSample
from torch import Tensor, nn

from cdvd_mm.models.protocols import ClipNetwork
from cdvd_mm.registry import MODELS
from cdvd_mm.windows import clip_runs, reflect_index

from .fitted_size import FittedSizeMixin


@MODELS.register_module()
class ClipRestorer(FittedSizeMixin, BaseEditModel):
    """Restorer for clip networks, such as DSTNetPlus: t frames in, t or a few less out.

    Training compares every restored frame with its sharp frame, where the
    network restores less frames than it gets, those in the middle. Testing
    restores whole videos, clip by clip; where the network needs frames beyond
    the ends of the video, it goes on as its mirror image.

    A part that rests for the first steps, a trained flow network for one, is
    the matter of :class:`~cdvd_mm.engine.hooks.FreezeHook`.

    Args:
        generator (dict): Config of the network, a
            :class:`~cdvd_mm.models.protocols.ClipNetwork`.
        losses (dict[str, dict]): Configs of the losses by name, such as
            ``dict(pixel=dict(type='CharbonnierLoss'), frequency=dict(
            type='FrequencyLoss', loss_weight=0.1))``. Each gets prediction and
            target (n * t', c, h, w), every frame a picture of its own, and
            gives a scalar, its weight included; logged as ``loss_<name>``.
        channels_last (bool): Keep the network's weights, and with them its
            feature maps, in memory with the channels last: faster on GPUs
            with half precision. Results differ by rounding.
        train_cfg (dict, optional): Kept for MMagic's interface.
        test_cfg (dict, optional): ``clip_length``: frames that the network
            gets at once in testing, the last clip is moved back to fit
            (default: None, the whole video); ``overlap``: frames that
            neighbouring clips have in common, at least ``2 * context``
            (default: just that).
        init_cfg (dict, optional): Initialisation, see MMEngine's BaseModule.
        data_preprocessor (dict, optional): Config of MMagic's
            DataPreprocessor; brings frames to [0, 1].

    Raises:
        ValueError: The generator is no clip network, there are no losses, or
            ``test_cfg`` does not fit the network.
    """

    def __init__(self,
                 generator: dict,
                 losses: dict[str, dict],
                 channels_last: bool = False,
                 train_cfg: dict | None = None,
                 test_cfg: dict | None = None,
                 init_cfg: dict | None = None,
                 data_preprocessor: dict | None = None) -> None:
        if not losses:
            raise ValueError('losses is empty, expected at least one: dict(pixel=dict(type=...))')
        first, *others = losses.items()
        super().__init__(
            generator=generator,
            pixel_loss=first[1],
            train_cfg=train_cfg,
            test_cfg=test_cfg,
            init_cfg=init_cfg,
            data_preprocessor=data_preprocessor)
        self.losses = nn.ModuleDict({first[0]: self.pixel_loss})
        del self.pixel_loss  # MMagic's name for the only one
        for name, cfg in others:
            self.losses[name] = MODELS.build(cfg)
        network: nn.Module = self.generator
        if not isinstance(network, ClipNetwork):
            raise ValueError(f'{type(network).__name__} is no clip network: expected size_divisor, '
                             'min_size, context and min_frames; see cdvd_mm.models.protocols')
        margin = 2 * network.context
        self.clip_length = (test_cfg or {}).get('clip_length')
        self.overlap = (test_cfg or {}).get('overlap', margin)
        if self.overlap < margin or self.clip_length and self.clip_length <= self.overlap:
            raise ValueError(
                f'test_cfg has clips of {self.clip_length} frames that overlap by {self.overlap}; '
                f'{type(self.generator).__name__} needs an overlap of at least {margin}, and '
                'clips longer than that')
        if channels_last:
            self.generator.to(memory_format=torch.channels_last)

    def forward_train(self, inputs: Tensor, data_samples=None, **kwargs) -> dict[str, Tensor]:
        """Compute the losses of a batch of clips.

        Args:
            inputs (Tensor): Blurred frames (n, t, c, h, w), RGB in [0, 1].
            data_samples (DataSample): Stacked, with ``gt_img`` (n, t, c, h, w)
                RGB in [0, 1].
            **kwargs: Not used.

        Returns:
            dict[str, Tensor]: ``loss_<name>`` of every loss.

        Raises:
            ValueError: The sharp frames do not fit the blurred ones.
        """
        sharp = data_samples.gt_img
        if sharp.shape != inputs.shape:
            raise ValueError(
                'training needs a sharp frame for every blurred one, both (n, t, c, h, w), but '
                f'the blurred frames are {tuple(inputs.shape)} and the sharp ones '
                f'{tuple(sharp.shape)}')
        restored = self.forward_tensor(inputs)  # (n, t', c, h, w)
        first = self.generator.context
        sharp = sharp[:, first:first + restored.shape[1]].flatten(0, 1)
        restored = restored.flatten(0, 1)  # (n * t', c, h, w)
        return {f'loss_{name}': loss(restored, sharp) for name, loss in self.losses.items()}

    def restore_video(self, inputs: Tensor) -> Tensor:
        """Restore all frames of videos, clip by clip.

        Args:
            inputs (Tensor): Blurred frames (n, t, c, h, w), RGB in [0, 1], of
                any size and number.

        Returns:
            Tensor: Restored frames (n, t, c, h, w), not clamped.
        """
        length, context = inputs.shape[1], self.generator.context
        needed = self.generator.min_frames - 2 * context
        restored = []
        clip_length = self.clip_length and self.clip_length - 2 * context
        for start, stop, read_start, read_stop in clip_runs(length, clip_length,
                                                            self.overlap - 2 * context):
            read_stop = max(read_stop, read_start + needed)
            read = [reflect_index(index, length)
                    for index in range(read_start - context, read_stop + context)]
            clip = self.forward_tensor(inputs[:, read])
            restored.append(clip[:, start - read_start:stop - read_start])
        return torch.cat(restored, dim=1)

    def forward_inference(self, inputs: Tensor, data_samples=None, **kwargs) -> DataSample:
        """Restore whole videos, or the centre frames of windows.

        Args:
            inputs (Tensor): Blurred frames (n, t, c, h, w), RGB in [0, 1].
            data_samples (DataSample): Stacked; where ``gt_img`` is one frame
                (n, c, h, w), the centre frame alone is returned.
            **kwargs: Not used.

        Returns:
            DataSample: Stacked, with ``pred_img`` (n, t, c, h, w) or
            (n, c, h, w), in [0, 255] and BGR, as MMagic hands pictures out.
        """
        restored = self.restore_video(inputs)
        if 'gt_img' in data_samples and data_samples.gt_img.dim() == 4:
            restored = restored[:, restored.shape[1] // 2]
        restored = self.data_preprocessor.destruct(restored, data_samples)
        return DataSample(pred_img=restored.cpu())
