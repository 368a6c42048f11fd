"""Training and testing of a config through MMEngine's runner."""

import os.path as osp
import signal
from collections.abc import Sequence

import torch
from mmengine.config import Config
from mmengine.dist import get_rank, init_dist, is_distributed
from mmengine.hooks import Hook
from mmengine.runner import Runner

from cdvd_mm.compat.distributed import init_cpu_process_group
from cdvd_mm.engine.hooks.interrupt_hook import InterruptHook
from cdvd_mm.engine.runner import RestorationRunner
from cdvd_mm.errors import Terminated
from cdvd_mm.evaluation.configure import configure_test, leave_out_scored_frames


def train(cfg: Config, launcher: str = 'none', amp: str | None = None, resume: str | None = None,
          auto_scale_lr: bool = False, load_from: str | None = None) -> Runner:
    """Train what a config describes.

    Args:
        cfg (Config): The config, see :func:`cdvd_mm.engine.config.load_config`.
        launcher (str): 'none', 'pytorch', 'slurm' or 'mpi'.
        amp (str, optional): Mixed precision: 'bfloat16', 'float16' with loss
            scaling, or 'auto' for bfloat16 where the GPU has it. Default: None,
            what the config says.
        resume (str, optional): 'auto' goes on from the latest intact
            checkpoint of the work folder, or starts anew where there is none;
            a path goes on from that checkpoint. Default: None, start anew.
        auto_scale_lr (bool): Take the total batch that the processes give
            without accumulation and scale the learning rate with it, from the
            config's ``auto_scale_lr.base_batch_size``.
        load_from (str, optional): Begin with the weights of this checkpoint;
            with ``resume='auto'``, where there is nothing to go on from.

    Returns:
        Runner: The runner, after training.

    Raises:
        FileNotFoundError: The checkpoint to resume from is not there.
        ValueError: A wrong setting, checkpoint or data folder, with what was
            found and what was expected.
        TrainingStopped: The training could not go on; the message says why.
        Terminated: A signal ended the training, which was saved and was not requeued.
    """
    if amp:
        _use_amp(cfg, amp)
    if auto_scale_lr:
        if 'base_batch_size' not in cfg.get('auto_scale_lr', {}):
            raise ValueError('--auto-scale-lr needs auto_scale_lr.base_batch_size in the config')
        cfg.auto_scale_lr.enable = True
        cfg.train_cfg.pop('total_batch_size', None)
    if load_from:
        cfg.load_from = _existing(load_from)
    if resume:
        cfg.resume = True
        cfg.start_from = cfg.get('load_from')  # where there is nothing to resume from
        cfg.load_from = None if resume == 'auto' else _existing(resume)
    runner = _build_runner(cfg, launcher)
    runner.train()
    _raise_if_terminated(runner)
    return runner


def _raise_if_terminated(runner: Runner) -> None:
    for hook in runner.hooks:
        if isinstance(hook, InterruptHook) and hook.ended_by is not None:
            raise Terminated(hook.ended_by, f'{signal.Signals(hook.ended_by).name} ended the '
                             f'training in {runner.work_dir}; --resume auto goes on')


def test(cfg: Config, checkpoint: str, launcher: str = 'none', amp: bool = False,
         protocols: Sequence[str] | None = None, save_frames: str | None = None,
         resume: bool = False) -> dict:
    """Test a checkpoint with what a config describes.

    The scores of every frame and video, and what they were made with, go to
    ``<work_dir>/results_<protocol>``.

    Args:
        cfg (Config): The config, see :func:`cdvd_mm.engine.config.load_config`.
        checkpoint (str): Path of the checkpoint.
        launcher (str): 'none', 'pytorch', 'slurm' or 'mpi'.
        amp (bool): Restore in mixed precision.
        protocols (Sequence[str], optional): Names of protocols of
            :mod:`cdvd_mm.evaluation`; of several, the metrics carry the name.
            Default: None, the config's.
        save_frames (str, optional): Folder for the restored frames.
        resume (bool): Leave out the frames that an interrupted test of the
            same checkpoint has scored already.

    Returns:
        dict: Metrics by name, the same on every process.

    Raises:
        FileNotFoundError: The checkpoint is not there.
        ValueError: A wrong setting, checkpoint or data folder, with what was
            found and what was expected.
    """
    cfg.load_from = _existing(checkpoint)
    cfg.resume = False
    if amp:
        cfg.test_cfg.fp16 = True
    configure_test(cfg, protocols, save_frames, resume, checkpoint, amp)
    init_processes(launcher)  # they agree on the frames to leave out
    leave_out_scored_frames(cfg.test_dataloader, cfg.test_evaluator)
    runner = _build_runner(cfg, launcher)
    kept = _KeepMetrics()
    runner.register_hook(kept, priority='LOWEST')
    runner.test()
    return kept.metrics


class _KeepMetrics(Hook):
    """Keeps what a test found: MMagic's test loop returns nothing."""

    metrics: dict = {}

    def after_test_epoch(self, runner, metrics=None) -> None:
        self.metrics = dict(metrics or {})


def is_main_process() -> bool:
    """Whether this process is the one that reports."""
    return get_rank() == 0


def init_processes(launcher: str) -> None:
    """Join the other processes of a job, outside of a runner.

    Args:
        launcher (str): 'none', 'pytorch', 'slurm' or 'mpi'.
    """
    init_cpu_process_group(launcher)
    if launcher != 'none' and not is_distributed():
        init_dist(launcher)


def _build_runner(cfg: Config, launcher: str) -> Runner:
    cfg.launcher = launcher
    init_cpu_process_group(launcher)
    if not torch.cuda.is_available():
        cfg.env_cfg.cudnn_benchmark = False
    return RestorationRunner.from_cfg(cfg)


def _use_amp(cfg: Config, dtype: str) -> None:
    wrapper = cfg.optim_wrapper
    known = ('OptimWrapper', 'AmpOptimWrapper', 'GuardedOptimWrapper')
    if wrapper.get('type', 'OptimWrapper') not in known:
        raise ValueError(f'--amp works with {", ".join(known)}, but the config has {wrapper.type}')
    if dtype == 'auto':
        can = not torch.cuda.is_available() or torch.cuda.is_bf16_supported()
        dtype = 'bfloat16' if can else 'float16'
    wrapper.type = 'GuardedOptimWrapper'
    wrapper.dtype = dtype


def _existing(path: str) -> str:
    if not osp.isfile(path):
        raise FileNotFoundError(f'checkpoint not found: {path}')
    return path
