"""A signal saves and ends the training cleanly."""

from __future__ import annotations

import os
import os.path as osp
import signal
import subprocess
import threading

import torch
from mmengine.device import get_device
from mmengine.dist import all_reduce, broadcast_object_list, get_world_size, is_main_process
from mmengine.hooks import Hook

from cdvd_mm.engine.checkpoints import POINTER
from cdvd_mm.files import write_atomically
from cdvd_mm.registry import HOOKS


@HOOKS.register_module()
class InterruptHook(Hook):
    """On a signal, finishes the step, writes ``interrupted.pth`` and ends the training.

    Cluster schedulers announce the end of a job's time by a signal. Any of
    the processes may get it; they agree on the step to stop at. A second
    signal of the kind has its ordinary effect. ``--resume auto`` goes on from
    the file.

    Args:
        signals (list[str]): Signals to act on.
        interval (int): With several processes, steps between agreements
            (a small exchange that waits for the GPU).
        requeue (bool): Under SLURM, ask for the job to be put into the queue
            again (``scontrol requeue``) where SIGUSR1 ended it. SIGTERM does
            not: ``scancel`` sends it.

    Attributes:
        ended_by (int, optional): The signal that ended the training, where the job was not put
            into the queue again.
    """

    priority = 'LOWEST'
    file_name = 'interrupted.pth'

    def __init__(self, signals: tuple[str, ...] = ('SIGUSR1', 'SIGTERM'), interval: int = 10,
                 requeue: bool = False) -> None:
        self.signals = [getattr(signal, name) for name in signals]
        self.interval = interval
        self.requeue = requeue
        self.received: int | None = None
        self.ended_by: int | None = None
        self._previous: dict = {}

    def before_train(self, runner) -> None:
        """Listen."""
        self.received = self.ended_by = None
        if threading.current_thread() is threading.main_thread():
            self._owner = os.getpid()
            self._previous = {number: signal.signal(number, self._receive)
                              for number in self.signals}

    def after_train(self, runner) -> None:
        """Listen no more."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        """Save and stop, if asked to."""
        received = self.received or 0
        if get_world_size() > 1:
            if (runner.iter + 1) % self.interval:
                return
            flag = torch.tensor(received, device=get_device())
            all_reduce(flag, 'max')
            received = int(flag.item())
        if not received:
            return
        self.save(runner, self.file_name)
        self.received = None
        runner.train_loop.stop_training = True
        runner.logger.warning(f'stopped by {signal.Signals(received).name} after step '
                              f'{runner.iter + 1}; --resume auto goes on from there')
        requeued = [self.requeue and received == signal.SIGUSR1 and is_main_process()
                    and self._ask_for_requeue(runner)]
        broadcast_object_list(requeued)
        self.ended_by = None if requeued[0] else received

    @staticmethod
    def _ask_for_requeue(runner) -> bool:
        job = os.environ.get('SLURM_JOB_ID')
        if not job:
            runner.logger.warning('this is no SLURM job (SLURM_JOB_ID is not set): not requeued')
            return False
        try:
            subprocess.run(['scontrol', 'requeue', job], check=True, capture_output=True, text=True)
        except (OSError, subprocess.CalledProcessError) as error:
            reason = (getattr(error, 'stderr', None) or str(error)).strip()
            runner.logger.error(f'SLURM did not requeue job {job}: {reason}. Submit it again; '
                                '--resume auto goes on')
            return False
        return True

    @staticmethod
    def save(runner, file_name: str) -> str:
        """Write a checkpoint to go on from after the current step; return its path."""
        path = osp.join(runner.work_dir, file_name)
        meta = dict(epoch=runner.epoch, iter=runner.iter + 1)
        runner.save_checkpoint(runner.work_dir, file_name, meta=meta, by_epoch=False)
        if is_main_process():
            write_atomically(osp.join(runner.work_dir, POINTER), path)
        return path

    def _receive(self, number: int, frame) -> None:
        if os.getpid() != self._owner:  # a data worker that inherited this handler
            return
        self.received = number
        signal.signal(number, self._previous.get(number) or signal.SIG_DFL)
