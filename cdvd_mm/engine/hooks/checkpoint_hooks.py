"""Checkpoints that replace older ones only when they are safely there, and are loaded strictly."""

from __future__ import annotations

import contextlib
import os
import os.path as osp
from collections import deque
from pathlib import Path

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook, Hook

from cdvd_mm.engine.checkpoints import POINTER, check_state_dict, get_state_dict
from cdvd_mm.engine.loop import TrainingStopped, bare_model
from cdvd_mm.engine.runner import RestorationRunner
from cdvd_mm.files import write_atomically
from cdvd_mm.registry import HOOKS


@HOOKS.register_module()
class SafeCheckpointHook(CheckpointHook):
    """MMEngine's checkpoint hook in another order: write, name, then remove the outdated.

    A checkpoint that cannot be written (a full disk) is reported and the
    training goes on with the older ones in place, until it happens
    ``max_failures`` times in a row or to the last checkpoint of the training.

    Args:
        max_failures (int): Failures in a row that end the training.
        **kwargs: See MMEngine's CheckpointHook.

    Raises:
        TrainingStopped: From the training, see above.
    """

    def __init__(self, max_failures: int = 3, **kwargs) -> None:
        super().__init__(**kwargs)
        self.max_failures = max_failures
        self.failures = 0

    best_ckpt_path: str | None

    def before_train(self, runner) -> None:
        """Take over what the run has written so far, and leave what others wrote alone."""
        super().before_train(runner)
        one_best = len(self.save_best or ()) == 1
        resumed = runner.loading if isinstance(runner, RestorationRunner) and runner.iter else ''
        if resumed and osp.realpath(osp.dirname(resumed)) == osp.realpath(self.out_dir):
            if one_best and self.best_ckpt_path:  # in a copied folder it names the original
                self.best_ckpt_path = osp.join(self.out_dir, osp.basename(self.best_ckpt_path))
            return
        for name in list(runner.message_hub.runtime_info):
            if name.startswith('best_') or name in ('keep_ckpt_ids', 'last_ckpt'):
                runner.message_hub.pop_info(name)
        self.keep_ckpt_ids: deque[int] = deque()
        if one_best:
            self.best_ckpt_path = None
        elif self.save_best:
            self.best_ckpt_path_dict = dict.fromkeys(self.key_indicators)
        others = sorted(path.name for path in Path(self.out_dir).glob('*.pth'))
        if others and is_main_process():
            runner.logger.warning(
                f'{self.out_dir} holds checkpoints of another run ({", ".join(others[:4])}'
                f'{", ..." if len(others) > 4 else ""}): those of the same names are going to be '
                'overwritten. Choose another --work-dir to keep them, or go on with --resume auto')

    def _save_checkpoint_with_step(self, runner, step: int, meta: dict) -> None:
        hub = runner.message_hub
        before = {name: hub.runtime_info.get(name) for name in ('keep_ckpt_ids', 'last_ckpt')}
        path = self.file_backend.join_path(self.out_dir, self.filename_tmpl.format(step))
        outdated: list[int] = []
        if self.max_keep_ckpts > 0:
            kept = [other for other in self.keep_ckpt_ids if other != step] + [step]
            outdated, kept = kept[:-self.max_keep_ckpts], kept[-self.max_keep_ckpts:]
            hub.update_info('keep_ckpt_ids', kept)
        hub.update_info('last_ckpt', path)
        try:
            runner.save_checkpoint(
                self.out_dir, self.filename_tmpl.format(step), self.file_client_args,
                save_optimizer=self.save_optimizer, save_param_scheduler=self.save_param_scheduler,
                meta=meta, by_epoch=self.by_epoch, backend_args=self.backend_args, **self.args)
            if is_main_process():
                write_atomically(osp.join(runner.work_dir, POINTER), path)
        except OSError as error:
            for name, value in before.items():
                hub.pop_info(name) if value is None else hub.update_info(name, value)
            self._failed(runner, path, error)
            return
        self.failures = 0
        self.last_ckpt = path
        if self.max_keep_ckpts > 0:
            self.keep_ckpt_ids = deque(kept, self.max_keep_ckpts)
        if is_main_process():
            for other in outdated:
                self._remove(self.file_backend.join_path(
                    self.out_dir, self.filename_tmpl.format(other)))

    def _failed(self, runner, path: str, error: OSError) -> None:
        self.failures += 1
        kept = f'the latest checkpoint is {self.last_ckpt}' if self.last_ckpt \
            else 'there is no checkpoint of this run yet'
        reason = os.strerror(error.errno) if error.errno else error
        message = f'could not write checkpoint {path}: {reason}; {kept}. Make room on the disk'
        last = runner.iter + 1 >= runner.max_iters
        if last or self.failures >= self.max_failures:
            raise TrainingStopped(f'{message}, then go on with --resume auto') from error
        runner.logger.error(f'{message}: the training goes on and tries again at the next '
                            f'checkpoint ({self.failures} of {self.max_failures} failures)')

    def _save_best_checkpoint(self, runner, metrics: dict) -> None:
        if len(self.save_best or ()) != 1:
            super()._save_best_checkpoint(runner, metrics)
            return
        old_path = self.best_ckpt_path
        old_score = runner.message_hub.runtime_info.get('best_score')
        self.best_ckpt_path = None  # keeps the old one until the new one is there
        try:
            super()._save_best_checkpoint(runner, metrics)
        except OSError as error:
            self.best_ckpt_path = old_path
            for name, value in (('best_score', old_score), ('best_ckpt', old_path)):
                runner.message_hub.pop_info(name) if value is None \
                    else runner.message_hub.update_info(name, value)
            runner.logger.error(f'could not write the best checkpoint: {error}')
            return
        if self.best_ckpt_path is None:
            self.best_ckpt_path = old_path
        elif old_path and old_path != self.best_ckpt_path and is_main_process():
            self._remove(old_path)

    @staticmethod
    def _remove(path: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.remove(path)


@HOOKS.register_module()
class CheckpointCheckHook(Hook):
    """Refuses a checkpoint of another model before it is loaded.

    MMEngine's runner loads with ``strict=False`` and logs what did not fit;
    a test would then score a network of random weights.

    Raises:
        ValueError: From the runner's train or test, listing the weights that
            are missing, left over or of another shape.
    """

    priority = 'VERY_HIGH'

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """Compare the weights with the runner's model.

        Args:
            runner: The runner that is about to load.
            checkpoint: What was read from the file.
        """
        source = runner.loading if isinstance(runner, RestorationRunner) else 'the checkpoint'
        check_state_dict(bare_model(runner.model), get_state_dict(checkpoint, source), source)
