"""Training and testing of networks that restore a clip at once."""

import torch
from mmagic.models import BaseEditModel
from torch import Tensor, nn

from cdvd_mm.registry import MODELS

from .clip_testing import ClipTestingMixin


@MODELS.register_module()
class ClipRestorer(ClipTestingMixin, BaseEditModel):
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
            (default: None, the whole video, frame by frame where the network
            can); ``overlap``: frames that
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
        self.set_clips(test_cfg)
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
