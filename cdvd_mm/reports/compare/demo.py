"""Train the small forms of all methods for the same time."""

import os
from collections.abc import Sequence

from mmengine.logging import print_log

from cdvd_mm.data_tools.demo import make_demo_data
from cdvd_mm.engine.config import load_config
from cdvd_mm.engine.launch import train

from .report import compare
from .run import Comparison

CONFIGS = ('configs/cdvd_demo.py', 'configs/cdvd_nl/cdvd-nl_demo.py',
           'configs/dstnet_plus/dstnet-plus_demo.py', 'configs/estrnn/estrnn_demo.py',
           'configs/stfan/stfan_demo.py', 'configs/edvr/edvr-deblur_demo.py',
           'configs/basicvsr_pp/basicvsr-pp_demo.py')
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
        name = os.path.splitext(os.path.basename(path))[0]
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


def compare_demo(configs: Sequence[str], data_root: str, out_dir: str, seconds: float,
                 device: str = 'auto') -> Comparison:
    """Train the configs for the same time, then compare them.

    Args:
        configs (Sequence[str]): Paths of configs.
        data_root (str): Data in the layout of GOPRO; the demo data are made
            there if it does not exist.
        out_dir (str): Trainings and report go there.
        seconds (float): Time of each training.
        device (str): Of the comparison.

    Returns:
        Comparison: The results.
    """
    if not os.path.exists(data_root):
        make_demo_data(data_root)
    models = train_alike(configs, data_root, os.path.join(out_dir, 'training'), seconds)
    return compare(models, data_root, 'cdvd-tsp', out_dir, device=device)
