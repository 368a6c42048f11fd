"""A training that takes a second, and processes that run, kill and resume it."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.logging import MessageHub, MMLogger
from mmengine.visualization import Visualizer

from cdvd_mm.compat.checkpoint import load_from_local
from cdvd_mm.engine import launch as runner
from cdvd_mm.errors import exit_code


def make_data(root: Path, videos: int = 2, length: int = 7, size: int = 24) -> Path:
    """Write videos of size x size frames in GOPRO's layout."""
    rng = np.random.default_rng(0)
    for split in ('train', 'test'):
        for video in range(videos):
            for kind in ('blur', 'sharp'):
                folder = root / split / f'video{video}' / kind
                folder.mkdir(parents=True, exist_ok=True)
                for number in range(length):
                    frame = rng.integers(0, 256, (size, size, 3), dtype=np.uint8)
                    cv2.imwrite(str(folder / f'{number:06d}.png'), frame)
    return root


def tiny_config(root: Path, work_dir: Path, max_iters: int = 20, num_workers: int = 0,
                save_every: int = 5, batch_size: int = 2, **more) -> Config:
    """A whole config of a tiny training; ``more`` replaces top-level entries."""
    keys = ['key', 'video', 'frame_index']
    dataset = dict(type='GoProDataset', data_root=str(root), num_frames=5)
    cfg = dict(
        default_scope='cdvd_mm',
        model=dict(
            type='CascadedRestorer',
            generator=dict(type='CDVDNet', mid_channels=4, num_blocks=1, flow_estimator=None),
            pixel_loss=dict(type='L1Loss'),
            hard_example_loss=dict(type='HardExampleMiningLoss'),
            stage_milestones=[7],
            data_preprocessor=dict(type='DataPreprocessor', mean=[0.] * 3, std=[255.] * 3)),
        train_cfg=dict(type='ResumableTrainLoop', max_iters=max_iters, val_interval=10**6),
        train_dataloader=dict(
            batch_size=batch_size, num_workers=num_workers,
            sampler=dict(type='DefaultSampler', shuffle=True),
            dataset=dict(dataset, split='train', pipeline=[
                dict(type='LoadVideoFrames', crop_size=16),
                dict(type='Flip', keys=['img', 'gt'], flip_ratio=0.5, direction='horizontal'),
                dict(type='RandomTransposeHW', keys=['img', 'gt'], transpose_ratio=0.5),
                dict(type='PackInputs', meta_keys=keys)])),
        val_cfg=None, val_dataloader=None, val_evaluator=None,
        optim_wrapper=dict(
            type='GuardedOptimWrapper', constructor='GroupedOptimWrapperConstructor',
            optimizer=dict(type='Adam', lr=1e-3), clip_grad=dict(max_norm=1.0),
            paramwise_cfg=dict(custom_keys={'in_block': dict(lr_mult=0.1)})),
        param_scheduler=[
            dict(type='LinearLR', by_epoch=False, start_factor=0.1, begin=0, end=8),
            dict(type='MultiStepLR', by_epoch=False, milestones=[12], gamma=0.5)],
        default_hooks=dict(
            logger=dict(type='LoggerHook', interval=10),
            checkpoint=dict(type='SafeCheckpointHook', interval=save_every, by_epoch=False,
                            max_keep_ckpts=2)),
        custom_hooks=[
            dict(type='CheckpointCheckHook'), dict(type='InterruptHook', interval=2),
            dict(type='NonFiniteHook', max_in_a_row=3), dict(type='EMAHook', momentum=0.1)],
        visualizer=dict(type='RestorationVisualizer', fn_key='key', img_keys=['pred_img'],
                        vis_backends=[dict(type='LocalVisBackend')]),
        env_cfg=dict(mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0)),
        randomness=dict(seed=3), log_level='ERROR', log_processor=dict(by_epoch=False),
        work_dir=str(work_dir))
    cfg.update(more)
    return Config(cfg)


def validation(root: Path) -> dict:
    """Entries that validate the tiny training on its test videos."""
    return dict(
        val_cfg=dict(type='MultiValLoop'),
        val_dataloader=dict(
            batch_size=1, num_workers=0, sampler=dict(type='VideoRunSampler'),
            dataset=dict(type='GoProDataset', data_root=str(root), num_frames=5, split='test',
                         skip_ends=2, test_mode=True, pipeline=[
                             dict(type='LoadVideoFrames'),
                             dict(type='PackInputs', meta_keys=['key', 'video', 'frame_index',
                                                                'video_length'])])),
        val_evaluator=dict(type='Evaluator',
                           metrics=[dict(type='VideoDeblurMetric', protocol='cdvd-tsp')]))


def train(cfg: Config, resume: str | None = None, launcher: str = 'none', prepare=None):
    """Train in this process; ``prepare(runner)`` may change the runner before."""
    # yapf takes longer over a config than these trainings take
    Config.pretty_text = property(lambda self: repr(self.to_dict()))
    for manager in (MMLogger, MessageHub, Visualizer):  # left by the run before
        manager._instance_dict.clear()
    if prepare is None:
        return runner.train(cfg, resume=resume, launcher=launcher)
    if resume:
        cfg.resume = True
        cfg.load_from = None if resume == 'auto' else resume
    built = runner._build_runner(cfg, launcher)
    prepare(built)
    built.train()
    runner._raise_if_terminated(built)
    return built


def weights(path: Path) -> dict[str, torch.Tensor]:
    """All tensors of a checkpoint that training goes on with, by name."""
    checkpoint = load_from_local(path)
    tensors = {f'model.{name}': value for name, value in checkpoint['state_dict'].items()}
    tensors.update({f'ema.{name}': value
                    for name, value in checkpoint.get('ema_state_dict', {}).items()})
    for number, state in checkpoint['optimizer']['state'].items():
        tensors.update({f'optimizer.{number}.{name}': value for name, value in state.items()})
    return tensors


def differences(first: Path, second: Path) -> dict[str, float]:
    """Tensors that are not bit-identical in two checkpoints, with their largest difference."""
    first, second = weights(first), weights(second)
    assert first.keys() == second.keys()
    return {name: float((value.double() - second[name].double()).abs().max())
            for name, value in first.items() if not torch.equal(value, second[name])}


@contextlib.contextmanager
def child_process(function):
    """Run a function in a forked process group; kills what is left of it at the end."""
    pid = os.fork()
    if pid == 0:
        os.setsid()
        code = 1
        try:
            function()
            code = 0
        except KeyboardInterrupt as error:
            code = exit_code(error)
        except BaseException as error:
            sys.stderr.write(f'{type(error).__name__}: {error}\n')
            sys.stderr.flush()
        finally:
            os._exit(code)
    try:
        yield pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)


def wait(pid: int, seconds: float) -> int | None:
    """Exit code of a child (negative: the signal that ended it), None if it still runs."""
    end = time.monotonic() + seconds
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > end:
            return None
        time.sleep(0.005)
