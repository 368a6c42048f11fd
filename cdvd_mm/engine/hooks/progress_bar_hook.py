"""A progress bar with ETA for training, validation and testing."""

import sys

from mmengine.hooks import Hook
from mmengine.runner import BaseLoop
from rich.progress import Progress, TaskID

from cdvd_mm.progress import progress_bar
from cdvd_mm.registry import HOOKS


@HOOKS.register_module()
class ProgressBarHook(Hook):
    """Shows where a run stands, on the main process, where a person looks on.

    Without a terminal (a log file, a batch job) nothing is drawn; MMEngine's
    logger reports the ETA there.
    """

    priority = 'VERY_LOW'

    def __init__(self) -> None:
        self.progress: Progress | None = None
        self.tasks: dict[str, TaskID] = {}

    def _start(self, mode: str, total: int, completed: int = 0) -> None:
        if not sys.stderr.isatty():
            return
        if self.progress is None:
            self.progress = progress_bar(transient=True)
            self.progress.start()
        self.tasks[mode] = self.progress.add_task(mode, total=total, completed=completed)

    def _advance(self, mode: str, description: str | None = None) -> None:
        if self.progress is not None and mode in self.tasks:
            self.progress.update(self.tasks[mode], advance=1, description=description)

    def _finish(self, mode: str) -> None:
        if self.progress is None:
            return
        if mode in self.tasks:
            self.progress.remove_task(self.tasks.pop(mode))
        if not self.tasks:
            self.progress.stop()
            self.progress = None

    def before_train(self, runner) -> None:
        """Open the bar of the training."""
        self._start('train', runner.max_iters, runner.iter)

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        """Move it on."""
        epoch = f', epoch {runner.epoch + 1}/{runner.max_epochs}' if runner.max_epochs else ''
        self._advance('train', f'train{epoch}')

    def after_train(self, runner) -> None:
        """Close it."""
        self._finish('train')

    def before_val_epoch(self, runner) -> None:
        """Open the bar of a validation."""
        self._start('validate', _num_batches(runner.val_loop))

    def after_val_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        """Move it on."""
        self._advance('validate')

    def after_val_epoch(self, runner, metrics=None) -> None:
        """Close it."""
        self._finish('validate')

    def before_test_epoch(self, runner) -> None:
        """Open the bar of a test."""
        self._start('test', _num_batches(runner.test_loop))

    def after_test_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        """Move it on."""
        self._advance('test')

    def after_test_epoch(self, runner, metrics=None) -> None:
        """Close it."""
        self._finish('test')


def _num_batches(loop: BaseLoop) -> int:
    """Batches of one of MMEngine's loops or MMagic's, which may have several loaders."""
    loaders = getattr(loop, 'dataloaders', None) or [loop.dataloader]
    return sum(len(loader) for loader in loaders)
