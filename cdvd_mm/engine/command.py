"""``cdvd-mm train`` and ``cdvd-mm test``: what they say when they are done."""

from __future__ import annotations

import os
import sys

from cdvd_mm.engine import launch
from cdvd_mm.engine.config import load_config
from cdvd_mm.engine.options import TestOptions, TrainOptions


def train(options: TrainOptions) -> None:
    """Train."""
    os.environ.setdefault('LOCAL_RANK', str(options.local_rank))
    cfg = load_config(options.config, options.cfg_options, options.work_dir, options.data_root)
    launch.train(cfg, options.launcher, options.amp, options.resume, options.auto_scale_lr,
                 options.load_from)


def test(options: TestOptions) -> None:
    """Test, and print the metrics."""
    os.environ.setdefault('LOCAL_RANK', str(options.local_rank))
    cfg = load_config(options.config, options.cfg_options, options.work_dir, options.data_root)
    metrics = launch.test(cfg, options.checkpoint, options.launcher, options.amp,
                          options.protocol, options.save_frames, options.resume)
    if launch.is_main_process():
        lines = [f'{name}: {value}' for name, value in metrics.items()]
        sys.stdout.write('\n'.join(lines or ['no metric is claimed: there is no ground truth'])
                         + '\n')
