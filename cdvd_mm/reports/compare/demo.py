"""Train the small forms of all methods for the same time."""

import os
from collections.abc import Sequence

from mmengine.logging import print_log

from cdvd_mm.data_tools.demo import make_demo_data
from cdvd_mm.engine.config import load_config, resolve
from cdvd_mm.engine.launch import train
from cdvd_mm.reports.options import CompareDemoOptions, CompareOptions
from cdvd_mm.weights import SHIPPED_CONFIG

from .report import compare
from .run import Comparison

CHECKPOINT = 'final.pth'


def train_alike(configs: Sequence[str], data_root: str, work_dir: str,
                seconds: float) -> list[str]:
    """Train several configs one after the other, each for the same time.

    Args:
        configs (Sequence[str]): Paths of configs with iteration-based loops.
        data_root (str): Folder of the training data; takes the place of the
            configs' own.
        work_dir (str): Logs and checkpoints go to ``work_dir/<config name>``.
        seconds (float): Time of each training, validation left out.

    Returns:
        list[str]: ``CONFIG:CHECKPOINT`` for each, as :func:`compare` takes
        them.

    Raises:
        FileNotFoundError, ValueError: See :func:`cdvd_mm.engine.launch.train`.
    """
    models = []
    for path in configs:
        name = os.path.splitext(os.path.basename(resolve(path)))[0]
        cfg = load_config(path, work_dir=os.path.join(work_dir, name))
        cfg.train_dataloader.dataset.data_root = data_root
        cfg.custom_hooks = [{'type': 'ProgressBarHook'},
                            {'type': 'TimeBudgetHook', 'seconds': seconds,
                             'checkpoint': CHECKPOINT}]
        # the time ends the training, and the comparison tests it
        cfg.train_cfg = {'type': 'ResumableTrainLoop', 'max_iters': 1_000_000,
                         'val_interval': 1_000_001}
        for key in ('val_dataloader', 'val_evaluator', 'val_cfg', 'test_dataloader',
                    'test_evaluator', 'test_cfg'):
            cfg.pop(key, None)
        cfg.default_hooks.checkpoint = {'type': 'CheckpointHook', 'interval': -1,
                                        'by_epoch': False, 'save_last': False}
        print_log(f'{name}: training for {seconds:g} s', logger='current')
        train(cfg)
        models.append(f'{path}:{os.path.join(cfg.work_dir, CHECKPOINT)}')
    return models


def compare_demo(options: CompareDemoOptions) -> Comparison:
    """Train the configs for the same time, then compare them with the network that ships.

    Args:
        options (CompareDemoOptions): What to train; trainings and report go
            to its ``out``, the demo data are made where its ``data`` are not
            there.

    Returns:
        Comparison: The results.
    """
    if not os.path.exists(options.data):
        make_demo_data(options.data)
    models = train_alike(options.configs, options.data, os.path.join(options.out, 'training'),
                         options.seconds)
    return compare(CompareOptions(models=(*models, SHIPPED_CONFIG), data=options.data,
                                  out=options.out, device=options.device))
