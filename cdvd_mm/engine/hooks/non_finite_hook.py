"""What happens when numbers stop being finite."""

from __future__ import annotations

import json
import os.path as osp

from mmengine.dist import get_rank
from mmengine.hooks import Hook

from cdvd_mm.engine.loop import TrainingStopped
from cdvd_mm.registry import HOOKS

from .interrupt_hook import InterruptHook


@HOOKS.register_module()
class NonFiniteHook(Hook):
    """Reports the steps that :class:`GuardedOptimWrapper` skipped; ends the training if many.

    Every skipped step is written to ``nonfinite_steps.jsonl`` in the work
    folder with the names of its samples (of each process, in a file of its
    own). As a skipped step leaves the weights alone, what ``stopped.pth``
    holds in the end are the last good ones.

    With 'float16' a few skipped steps are part of finding the loss scale.

    Args:
        max_in_a_row (int): Skipped steps in a row that end the training.

    Raises:
        TrainingStopped: From the training, naming the samples.
    """

    priority = 'LOWEST'
    file_name = 'stopped.pth'

    def __init__(self, max_in_a_row: int = 20) -> None:
        self.max_in_a_row = max_in_a_row
        self.in_a_row: list[dict] = []
        self.total = 0

    def after_log_flush(self, runner, entries: list[dict]) -> None:
        """Look at the steps since the last time.

        Args:
            runner (Runner): The runner.
            entries (list[dict]): Of each step ``values``, ``step`` and ``keys``.
        """
        for entry in entries:
            if not entry['values'].get('skipped'):
                self.in_a_row = []
                continue
            self.total += 1
            record = dict(step=entry['step'] + 1, samples=entry['keys'], values={
                name: value for name, value in entry['values'].items()
                if name == 'grad_norm' or name.startswith('loss')})
            self.in_a_row.append(record)
            self._write(runner, record)
            runner.logger.warning(
                f'step {record["step"]} skipped, the loss or a gradient is not finite (skipped so '
                f'far: {self.total}): {record["values"]}, samples {record["samples"]}')

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        """End the training, if it is time to."""
        if len(self.in_a_row) < self.max_in_a_row:
            return
        path = InterruptHook.save(runner, self.file_name)
        samples = '; '.join(f'step {record["step"]}: {", ".join(record["samples"])}'
                            for record in self.in_a_row[-3:])
        raise TrainingStopped(
            f'{len(self.in_a_row)} steps in a row had a loss or gradient that is not finite and '
            f'were skipped. The last good weights are in {path}. The latest bad samples are '
            f'{samples}; all of them are in {self._path(runner)}. Look at these samples, or train '
            'with clip_grad, warm-up or a lower learning rate')

    @staticmethod
    def _path(runner) -> str:
        rank = get_rank()
        suffix = f'_rank{rank}' if rank else ''
        return osp.join(runner.work_dir, f'nonfinite_steps{suffix}.jsonl')

    def _write(self, runner, record: dict) -> None:
        record = dict(record, values={name: repr(value)
                                      for name, value in record['values'].items()})
        with open(self._path(runner), 'a', encoding='utf-8') as file:
            file.write(json.dumps(record) + '\n')
