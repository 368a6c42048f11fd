"""Training and testing of a cascade of restoration stages."""

from functools import partial

import torch
from mmagic.models import BaseEditModel
from mmagic.structures import DataSample
from torch import Tensor, nn

from cdvd_mm.models.protocols import CascadeNetwork, StageDetails
from cdvd_mm.models.streaming import StreamingCascade, stream_video
from cdvd_mm.ops import run_padded
from cdvd_mm.registry import MODELS

from .fitted_size import FittedSizeMixin


@MODELS.register_module()
class CascadedRestorer(FittedSizeMixin, BaseEditModel):
    """Restorer for networks that restore a clip in stages, such as CDVDNet.

    The loss compares every restored frame of every stage with its sharp
    frame. All of them are concatenated along the channels (with five frames
    and two stages: frames 1, 2, 3 of stage 1 and frame 2 of stage 2, 12
    channels), so that they share one mask of hard pixels (Pan et al. 2020,
    section 4.1). The share of each stage is logged on its own, as
    ``loss_pixel_stage1``, ``loss_hem_stage1`` and so on; the shares add up to
    the loss of the concatenation.

    Args:
        generator (dict): Config of the network, a
            :class:`~cdvd_mm.models.protocols.CascadeNetwork`.
        pixel_loss (dict): Config of a loss that averages over elements.
        hard_example_loss (dict, optional): Config of
            :class:`HardExampleMiningLoss`. Default: None, no such part.
        stage_weights (list[float], optional): Factor of each stage's share.
            Default: None, 1 for all (the paper).
        stage_milestones (list[int], optional): Number of training steps after
            which stage 2, 3, ... is switched on, ``num_stages - 1`` rising
            numbers. Default: None, all stages from the start (the paper).
            Testing always runs all stages.
        channels_last (bool): Keep the network's weights, and with them its
            feature maps, in memory with the channels last: faster on GPUs
            with half precision. Results differ by rounding.
        train_cfg (dict, optional): Kept for MMagic's interface.
        test_cfg (dict, optional): Kept for MMagic's interface.
        init_cfg (dict, optional): Initialisation, see MMEngine's BaseModule.
        data_preprocessor (dict, optional): Config of MMagic's
            DataPreprocessor; brings frames to [0, 1].

    Attributes:
        keep_stages (bool): In testing, add to the output of each window what
            :class:`StageMonitorHook` shows: ``stage_imgs`` (T, c, h, w),
            ``sharpness`` (1, h, w) and ``flow`` (2, h, w) to the previous
            frame, both of the last stage, where there are any.

    Raises:
        ValueError: The generator is no cascade; ``stage_weights`` or
            ``stage_milestones`` do not fit the number of stages.
    """

    keep_stages = False
    _logs = True
    _steps_done: int | None = None  # beside num_steps: reading that would wait for the device

    def __init__(self,
                 generator: dict,
                 pixel_loss: dict,
                 hard_example_loss: dict | None = None,
                 stage_weights: list[float] | None = None,
                 stage_milestones: list[int] | None = None,
                 channels_last: bool = False,
                 train_cfg: dict | None = None,
                 test_cfg: dict | None = None,
                 init_cfg: dict | None = None,
                 data_preprocessor: dict | None = None) -> None:
        super().__init__(
            generator=_scoped(generator),
            pixel_loss=_scoped(pixel_loss),
            train_cfg=train_cfg,
            test_cfg=test_cfg,
            init_cfg=init_cfg,
            data_preprocessor=data_preprocessor and _scoped(data_preprocessor))
        self.hard_example_loss = MODELS.build(hard_example_loss) if hard_example_loss else None
        network: nn.Module = self.generator
        if not isinstance(network, CascadeNetwork):
            raise ValueError(f'CascadedRestorer takes a cascade (see cdvd_mm.models.protocols), '
                             f'not a {type(network).__name__}')
        num_stages = network.num_stages
        self.stage_weights = _checked_weights(stage_weights, num_stages)
        self.stage_milestones = _checked_milestones(stage_milestones, num_stages)
        if channels_last:
            self.generator.to(memory_format=torch.channels_last)
        if self.stage_milestones:
            # A resumed training goes on with the stages it had.
            self.register_buffer('num_steps', torch.zeros((), dtype=torch.long))

    def convert_to_datasample(self, predictions, data_samples, inputs) -> list:
        """Add predictions and the blurred centre frame to the data samples.

        Args:
            predictions (DataSample): Stacked, with ``pred_img`` (n, c, h, w).
            data_samples (DataSample): Stacked, as loaded.
            inputs (Tensor, optional): (n, t, c, h, w) RGB in [0, 1].

        Returns:
            list[DataSample]: One for each window.
        """
        centre = None if inputs is None else inputs[:, inputs.shape[1] // 2]
        return super().convert_to_datasample(predictions, data_samples, centre)

    def forward_train(self, inputs: Tensor, data_samples=None, **kwargs) -> dict[str, Tensor]:
        """Compute the losses of a batch of windows.

        Args:
            inputs (Tensor): (n, t, c, h, w) RGB in [0, 1]; height and width
                multiples of the generator's ``size_divisor``.
            data_samples (DataSample): Stacked, with ``gt_img`` (n, t, c, h, w)
                RGB in [0, 1], the sharp frames of the whole window.
            **kwargs: Not used.

        Returns:
            dict[str, Tensor]: Shares of the loss by part and stage; and, for
            the log alone, on steps that log, the mean length of the flow in
            pixels and the mean of S by stage.

        Raises:
            ValueError: The sharp frames do not fit the blurred ones.
        """
        sharp = data_samples.gt_img
        if sharp.shape != inputs.shape:
            raise ValueError(
                'training needs a sharp frame for every blurred one, both (n, t, c, h, w), but '
                f'the blurred frames are {tuple(inputs.shape)} and the sharp ones '
                f'{tuple(sharp.shape)}')
        stages, monitored = self._run_stages(inputs, self._count_step())
        targets = [_trimmed(sharp, stage.shape[1]) for stage in stages]
        losses = self._losses([stage.flatten(1, 2) for stage in stages],
                              [target.flatten(1, 2) for target in targets])
        return {**losses, **monitored}

    def forward_inference(self, inputs: Tensor, data_samples=None, **kwargs) -> DataSample:
        """Restore the centre frames of windows, or all frames of videos, for testing.

        Args:
            inputs (Tensor): (n, t, c, h, w) RGB in [0, 1].
            data_samples (DataSample): Stacked, as loaded; those of a data set
                in ``mode='video'`` (they have ``frame_indices``) are restored
                frame by frame, as a stream, the ends reflected.
            **kwargs: Passed to the generator.

        Returns:
            DataSample: Stacked, with ``pred_img`` (n, c, h, w) 0..255, or
            (n, t, c, h, w) of videos; and what ``keep_stages`` adds to windows.
        """
        if data_samples is not None and 'frame_indices' in data_samples:
            stream = partial(stream_video, StreamingCascade(self.generator))
            restored = run_padded(stream, inputs, self.size_divisor, self.min_size)
            restored = self.data_preprocessor.destruct(restored, data_samples)
            return DataSample(pred_img=restored.cpu())
        if not self.keep_stages:
            return super().forward_inference(inputs, data_samples, **kwargs)
        stages = run_padded(self.generator.forward_details, inputs, self.size_divisor,
                            self.min_size)
        images = []
        for stage in stages:
            image = stage.restored[:, stage.restored.shape[1] // 2]
            images.append(self.data_preprocessor.destruct(image, data_samples).cpu())
        predictions = DataSample(pred_img=images[-1], stage_imgs=torch.stack(images, 1))
        last = stages[-1]
        if last.sharpness is not None:
            predictions.set_tensor_data(dict(sharpness=last.sharpness[:, 0].float().cpu()))
        if last.flows is not None:
            predictions.set_tensor_data(dict(flow=last.flows[:, 0, 0].float().cpu()))
        return predictions

    def _run_stages(self, inputs: Tensor,
                    num_active: int | None) -> tuple[list[Tensor], dict[str, Tensor]]:
        """Frames of every stage, and numbers to look at: scalars on the device."""
        if not self._logs:
            return self.generator.forward_stages(inputs, num_active), {}
        stages: list[StageDetails] = self.generator.forward_details(inputs, num_active)
        monitored = {}
        for number, stage in enumerate(stages, 1):
            if stage.flows is not None:
                monitored[f'flow_magnitude_stage{number}'] = \
                    torch.linalg.vector_norm(stage.flows.detach(), dim=-3).mean()
            if stage.sharpness is not None:
                monitored[f'sharpness_stage{number}'] = stage.sharpness.detach().mean()
        return [stage.restored for stage in stages], monitored

    def set_training_step(self, step: int, logs: bool = True) -> None:
        """Say which optimiser step the next batch belongs to.

        Without this every batch counts as a step, which is not so where
        gradients are accumulated, and all of them log.

        Args:
            step (int): Steps done.
            logs (bool): Whether someone looks at what this step logs: the
                flow and S of every stage, which the network's fast form does
                not give. They and the gradients may differ from those of the
                fast form by rounding.
        """
        self._logs = logs
        if self.stage_milestones and self._steps_done != step:
            self._steps_done = step
            self.num_steps.fill_(step)

    def _count_step(self) -> int | None:
        """Count a training step; return the number of stages it runs."""
        if not self.stage_milestones:
            return None
        steps = int(self.num_steps) if self._steps_done is None else self._steps_done
        self._steps_done = steps + 1
        self.num_steps += 1
        return 1 + sum(steps >= milestone for milestone in self.stage_milestones)

    def _load_from_state_dict(self, *args, **kwargs) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        self._steps_done = None

    def _losses(self, preds: list[Tensor], targets: list[Tensor]) -> dict[str, Tensor]:
        """Losses of the stages' frames, each (n, t_s * c, h, w)."""
        losses = {}
        num_channels = sum(pred.shape[1] for pred in preds)
        hard_example_loss, mask = self.hard_example_loss, None
        if hard_example_loss is not None:
            mask = hard_example_loss.mask(torch.cat(preds, 1), torch.cat(targets, 1))
        for stage, (pred, target) in enumerate(zip(preds, targets)):
            share = self.stage_weights[stage] * pred.shape[1] / num_channels
            losses[f'loss_pixel_stage{stage + 1}'] = share * self.pixel_loss(pred, target)
            if hard_example_loss is not None:
                losses[f'loss_hem_stage{stage + 1}'] = share * hard_example_loss(
                    pred, target, mask)
        return losses


def _scoped(cfg: dict) -> dict:
    """``cfg`` with its types looked up here first, whatever the default scope is."""
    return dict(cfg, _scope_='cdvd_mm')


def _trimmed(clip: Tensor, length: int) -> Tensor:
    """The middle ``length`` frames of (n, t, c, h, w)."""
    first = (clip.shape[1] - length) // 2
    return clip[:, first:first + length]


def _checked_weights(weights: list[float] | None, num_stages: int) -> list[float]:
    weights = [1.0] * num_stages if weights is None else list(weights)
    if len(weights) != num_stages:
        raise ValueError(f'stage_weights has {len(weights)} entries ({weights}), but the '
                         f'generator has {num_stages} stage(s)')
    return weights


def _checked_milestones(milestones: list[int] | None, num_stages: int) -> list[int]:
    milestones = list(milestones or ())
    if not milestones:
        return milestones
    if len(milestones) != num_stages - 1:
        raise ValueError(
            f'stage_milestones must have one entry for each stage after the first, '
            f'{num_stages - 1} for num_stages={num_stages}, but is {milestones}')
    if milestones != sorted(milestones) or milestones[0] < 0:
        raise ValueError(f'stage_milestones must not fall nor be negative, but is {milestones}')
    return milestones
