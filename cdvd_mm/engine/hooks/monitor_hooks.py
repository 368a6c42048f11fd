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
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from torch import Tensor

from cdvd_mm.registry import HOOKS, METRICS


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

    PSNR is averaged over the frames of the validation data that do not equal
    the truth; how many do is said in the log. A picture shows the blurred
    frame, every stage's result, the sharp frame, S of the last stage (dark: 0,
    bright: 1) and its flow to the previous frame in the usual colours, each
    where there is one.

    Args:
        interval (int): Validations from one set of pictures to the next.
        num_pictures (int): Pictures of a set: of the first frames.
        protocol (str): Which pixels count; see
            :data:`cdvd_mm.evaluation.PROTOCOLS`.

    Raises:
        ValueError: An unknown protocol.
    """

    priority = 'VERY_HIGH'

    def __init__(self, interval: int = 1, num_pictures: int = 2,
                 protocol: str = 'cdvd-tsp') -> None:
        self.interval = interval
        self.num_pictures = num_pictures
        self.score = METRICS.build(dict(type='cdvd_mm.FrameScorer', protocol=protocol))
        self.validations = 0
        self.scores: list[list[float]] = []
        self.drawn = 0

    @staticmethod
    def _model(runner):
        return runner.model.module if is_model_wrapper(runner.model) else runner.model

    def before_val_epoch(self, runner) -> None:
        """Ask the model to keep what its stages give."""
        self._model(runner).keep_stages = True
        self.scores, self.drawn = [], 0

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
            self.scores.append([self.score(_array(stage), _array(sharp))['PSNR']
                                for stage in stages])
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
        number = getattr(model.generator, 'num_stages', 0)
        if not number:
            return
        scores = torch.tensor(self.scores, dtype=torch.float64).view(-1, number)
        identical = scores == torch.inf
        sums = torch.stack((scores.masked_fill(identical, 0).sum(0), (~identical).sum(0),
                            identical.sum(0))).to(get_device(), torch.float32)  # (3, stages)
        all_reduce(sums)
        for stage, (total, count, equal) in enumerate(sums.T.tolist(), 1):
            if count:
                runner.message_hub.update_scalar(f'val/PSNR_stage{stage}', total / count)
            if equal:
                print_log(f'PSNR_stage{stage}: {equal:.0f} frame(s) equal the truth and do not '
                          'count', logger='current')


def _array(frame: Tensor) -> np.ndarray:
    """(c, h, w) to (h, w, c), float."""
    return frame.float().cpu().permute(1, 2, 0).numpy()


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
