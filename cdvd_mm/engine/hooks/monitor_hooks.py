"""What to look at while a network trains."""

from __future__ import annotations

import time
from collections import deque

import cv2
import mmcv
import numpy as np
import torch
from mmengine.device import get_device
from mmengine.dist import all_reduce, is_main_process
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from torch import Tensor

from cdvd_mm.registry import HOOKS


@HOOKS.register_module()
class TrainingMonitorHook(Hook):
    """Logs the learning rate of each group of parameters, and samples per second.

    Args:
        window (int): Steps over which the speed is measured.
    """

    priority = 'NORMAL'  # before the logger

    def __init__(self, window: int = 50) -> None:
        self.times: deque[float] = deque(maxlen=window + 1)

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        """Log the learning rates that this step uses."""
        groups = runner.optim_wrapper.optimizer.param_groups
        if len(groups) > 1 and all('name' in group for group in groups):
            for group in groups:
                runner.message_hub.update_scalar(f'train/{group["name"]}.lr', group['lr'])

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        """Log the speed."""
        self.times.append(time.perf_counter())
        samples = getattr(getattr(runner.train_loop, 'sampler', None), 'total_batch_size', None)
        if samples and len(self.times) > 1:
            seconds = (self.times[-1] - self.times[0]) / (len(self.times) - 1)
            runner.message_hub.update_scalar('train/samples_per_s', samples / seconds)

    def after_val_epoch(self, runner, metrics=None) -> None:
        """The time of a validation does not count."""
        self.times.clear()


@HOOKS.register_module()
class StageMonitorHook(Hook):
    """PSNR of every stage in validation, and pictures of a few frames.

    PSNR is that of the paper's protocol (8 bit, all channels, sides cut to
    multiples of 4, a border of 4 pixels cut off), averaged over the frames of
    the validation data. A picture shows the blurred frame, every stage's
    result, the sharp frame, S of the last stage (dark: 0, bright: 1) and its
    flow to the previous frame in the usual colours, each where there is one.

    Args:
        interval (int): Validations from one set of pictures to the next.
        num_pictures (int): Pictures of a set: of the first frames.
    """

    priority = 'VERY_HIGH'

    def __init__(self, interval: int = 1, num_pictures: int = 2) -> None:
        self.interval = interval
        self.num_pictures = num_pictures
        self.validations = 0
        self.sums: Tensor | None = None
        self.drawn = 0

    @staticmethod
    def _model(runner):
        return runner.model.module if is_model_wrapper(runner.model) else runner.model

    def before_val_epoch(self, runner) -> None:
        """Ask the model to keep what its stages give."""
        self._model(runner).keep_stages = True
        self.sums, self.drawn = None, 0

    def after_val_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        """Score and draw.

        Args:
            runner (Runner): The runner.
            batch_idx (int): Number of the batch.
            data_batch (dict): Not used.
            outputs (list[DataSample]): With ``output.stage_imgs``, ``gt_img``
                and ``input``, (c, h, w) in 0..255 and one order of colours.
        """
        for sample in outputs or ():
            stages = getattr(getattr(sample, 'output', None), 'stage_imgs', None)
            sharp = getattr(sample, 'gt_img', None)
            if stages is None or sharp is None:
                continue
            scores = torch.tensor([*(psnr(stage, sharp) for stage in stages), 1.],
                                  dtype=torch.float64)
            self.sums = scores if self.sums is None else self.sums + scores
            if is_main_process() and self.validations % self.interval == 0 \
                    and self.drawn < self.num_pictures:
                self.drawn += 1
                name = str(getattr(sample, 'key', f'frame{self.drawn}')).replace('/', '_')
                runner.visualizer.add_image(f'stages_{name}', draw(sample), step=runner.iter)

    def after_val_epoch(self, runner, metrics=None) -> None:
        """Log the means over all processes."""
        model = self._model(runner)
        model.keep_stages = False
        self.validations += 1
        number = model.generator.num_stages if hasattr(model.generator, 'num_stages') else 0
        if not number:
            return
        sums = torch.zeros(number + 1, dtype=torch.float32, device=get_device())
        if self.sums is not None:
            sums += self.sums.to(sums)
        all_reduce(sums)
        *scores, count = sums.tolist()
        if count:
            for stage, score in enumerate(scores, 1):
                runner.message_hub.update_scalar(f'val/PSNR_stage{stage}', score / count)


def psnr(pred: Tensor, target: Tensor) -> float:
    """PSNR of two frames (c, h, w) in 0..255 by the paper's protocol; see the hook."""
    height, width = (side // 4 * 4 for side in pred.shape[-2:])
    pred, target = (frame[..., 4:height - 4, 4:width - 4].double().clamp(0, 255).round().cpu()
                    for frame in (pred, target))
    error = float(((pred - target)**2).mean())
    return float('inf') if error == 0 else 10 * float(np.log10(255**2 / error))


def draw(sample) -> np.ndarray:
    """Draw what the stages gave.

    Args:
        sample (DataSample): See :meth:`StageMonitorHook.after_val_iter`.

    Returns:
        np.ndarray: (h, width, 3) RGB uint8, the parts side by side.
    """
    frames = [sample.input] if hasattr(sample, 'input') else []
    frames += [*sample.output.stage_imgs, sample.gt_img]
    is_rgb = sample.get('gt_img_output_channel_order', 'BGR') == 'RGB'
    parts = []
    for frame in frames:
        image = frame.cpu().float().clamp(0, 255).round().byte().permute(1, 2, 0).numpy()
        parts.append(image if is_rgb else image[..., ::-1])
    if hasattr(sample.output, 'sharpness'):
        grey = (sample.output.sharpness[0].clamp(0, 1) * 255).round().byte().numpy()
        parts.append(cv2.applyColorMap(grey, cv2.COLORMAP_VIRIDIS)[..., ::-1])
    if hasattr(sample.output, 'flow'):
        flow = sample.output.flow.permute(1, 2, 0).numpy().astype(np.float32)
        parts.append((mmcv.flow2rgb(flow.copy()) * 255).round().astype(np.uint8))
    return np.ascontiguousarray(np.concatenate(parts, axis=1))
