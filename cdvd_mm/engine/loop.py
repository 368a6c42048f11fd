"""A training loop that can be interrupted anywhere and goes on exactly."""

from __future__ import annotations

import logging
import multiprocessing
import pickle
import queue
import signal
import threading
import time
from functools import partial
from typing import Any, Protocol, runtime_checkable

import torch
from mmengine.dataset import pseudo_collate, worker_init_fn
from mmengine.dist import get_dist_info
from mmengine.hooks import LoggerHook
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.registry import FUNCTIONS
from mmengine.runner import BaseLoop, Runner
from torch.utils.data import DataLoader

from cdvd_mm.errors import UserError
from cdvd_mm.registry import DATASETS, LOOPS

from .batches import (
    MICRO_BATCH,
    MicroBatchCollate,
    SeededDataset,
    StepSampler,
    derived_seed,
    seed_process,
)

LOST = (queue.Empty, OSError, EOFError, pickle.UnpicklingError)
"""What a loader waits for in vain, or finds broken, when it says that its worker died."""

SAMPLERS = ('DefaultSampler', 'InfiniteSampler')


class TrainingStopped(UserError, RuntimeError):
    """The training cannot go on; the message says why and how to resume."""


@runtime_checkable
class StepAware(Protocol):
    """A model that wants to know which step it is in."""

    def set_training_step(self, step: int, logs: bool) -> None:
        """Hear of the next batch.

        Args:
            step (int): Optimiser steps done.
            logs (bool): Whether the values of this step are looked at.
        """
        ...


def without_workers(loader: dict) -> dict:
    """Config of a loader without what PyTorch refuses where there are no workers."""
    if loader.get('num_workers'):
        return loader
    return {name: value for name, value in loader.items()
            if name not in ('persistent_workers', 'prefetch_factor')}


def bare_model(model: torch.nn.Module) -> torch.nn.Module:
    """The model without what distributes it."""
    inner: Any = model.module if is_model_wrapper(model) else model
    return inner


@LOOPS.register_module()
class ResumableTrainLoop(BaseLoop):
    """Trains by optimiser steps of a given total batch, and resumes exactly.

    Everything is counted in optimiser steps, or epochs of them: an iteration
    is one step on ``total_batch_size`` samples, be it one micro-batch on each
    of 8 GPUs or 8 micro-batches on one. Learning rates, intervals and
    milestones of a config therefore hold for any number of GPUs. Samples,
    augmentations and random numbers in the network depend on the step alone
    (:mod:`cdvd_mm.engine.batches`); the sampler of the config only says
    whether to shuffle.

    Args:
        runner (Runner): The runner.
        dataloader (dict): Config of the data loader; ``batch_size`` is that of
            a micro-batch.
        max_epochs (int, optional): Length of the training in epochs, or
        max_iters (int, optional): in steps. Exactly one of them.
        total_batch_size (int, optional): Samples of a step; gradients are
            accumulated as often as ``batch_size`` and the number of processes
            ask for. Default: None, what these give with the optimiser
            wrapper's ``accumulative_counts``.
        val_begin (int): Epoch or step of the first validation.
        val_interval (int): Epochs or steps between validations.
        max_loader_restarts (int): How often data workers that died are
            started again in a row, at the sample where they were.

    Raises:
        ValueError: Neither or both lengths; a total batch that these
            processes cannot make; an unsuitable sampler.
        TrainingStopped: From ``run``: the data workers keep dying.
    """

    def __init__(self, runner: Runner, dataloader: dict, max_epochs: int | None = None,
                 max_iters: int | None = None, total_batch_size: int | None = None,
                 val_begin: int = 1, val_interval: int = 1,
                 max_loader_restarts: int = 3) -> None:
        if (max_epochs is None) == (max_iters is None):
            raise ValueError('ResumableTrainLoop needs max_epochs or max_iters, one of them; got '
                             f'max_epochs={max_epochs} and max_iters={max_iters}')
        self._runner = runner
        self.by_epoch = max_epochs is not None
        self.val_begin = val_begin
        self.val_interval = val_interval
        self.max_loader_restarts = max_loader_restarts
        self.batch_size = dataloader['batch_size']
        self.accumulation = self._accumulation(total_batch_size)
        self.sampler, self.dataloader = self._build_loader(dataloader)
        steps_per_epoch = self.sampler.steps_per_epoch
        self._max_epochs = 1 if max_epochs is None else int(max_epochs)
        self._max_iters = int(self._max_epochs * steps_per_epoch if max_iters is None
                              else max_iters)
        self.sampler.num_steps = self._max_iters
        self._epoch = 0
        self._iter = 0
        self.stop_training = False
        self._loader_restarts = 0
        self._workers: list = []
        self._pending: list[dict] = []
        self.runner.visualizer.dataset_meta = getattr(self.dataloader.dataset, 'metainfo', None)

    # -- what MMEngine asks of a loop

    @property
    def max_epochs(self) -> int:
        """Length of the training in epochs; 1 where it is counted in steps."""
        return self._max_epochs

    @property
    def max_iters(self) -> int:
        """Length of the training in optimiser steps."""
        return self._max_iters

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return self._epoch

    @property
    def iter(self) -> int:
        """Optimiser steps done."""
        return self._iter

    def run(self) -> torch.nn.Module:
        """Train to the end, or until ``stop_training`` is set."""
        runner = self.runner
        runner.optim_wrapper.initialize_count_status(
            runner.model, self._iter * self.accumulation, self._max_iters * self.accumulation)
        runner.call_hook('before_train')
        if self.by_epoch and self._iter == (self._epoch + 1) * len(self.sampler):
            # the last run ended between the last step of an epoch and its end
            runner.call_hook('after_train_epoch')
            self._epoch += 1
        if self._iter:
            self._validate_if_due(resumed=True)
        batches = self._start_loader()
        if self._iter < self._max_iters:
            runner.call_hook('before_train_epoch')
        while self._iter < self._max_iters and not self.stop_training:
            runner.model.train()
            batches, batch = self._next(batches)
            self._run_iter(batch)
            if self.by_epoch and self._iter % len(self.sampler) == 0:
                if self.stop_training:
                    break  # this end of an epoch is what the next run begins with
                self._end_epoch()
            else:
                self._validate_if_due()
        finished = self._iter >= self._max_iters and not self.stop_training
        if finished and not self.by_epoch:
            runner.call_hook('after_train_epoch')
        runner.call_hook('after_train')
        return runner.model

    def _end_epoch(self) -> None:
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1
        self._validate_if_due()
        if self._iter < self._max_iters and not self.stop_training:
            self.runner.call_hook('before_train_epoch')

    # -- one step

    def _run_iter(self, batch: list) -> None:
        runner, place = self.runner, self._iter
        batch_idx = place % len(self.sampler) if self.by_epoch else place
        runner.call_hook('before_train_iter', batch_idx=batch_idx, data_batch=batch)
        model = bare_model(runner.model)
        logged: dict[str, torch.Tensor] = {}
        for turn, micro_batch in enumerate(batch):
            seed_process(derived_seed(runner.seed, MICRO_BATCH,
                                      self.sampler.micro_batch(place, turn)))
            if isinstance(model, StepAware):
                model.set_training_step(place, logs=self._is_looked_at(batch_idx))
            log_vars = runner.model.train_step(micro_batch, optim_wrapper=runner.optim_wrapper)
            for name, value in log_vars.items():
                value = value.detach() / len(batch)
                logged[name] = logged[name] + value if name in logged else value
        logged.update(getattr(runner.optim_wrapper, 'last_step', {}))
        self._log(logged, batch, batch_idx)
        runner.call_hook('after_train_iter', batch_idx=batch_idx, data_batch=batch, outputs=None)
        self._iter += 1

    def _log(self, values: dict[str, torch.Tensor], batch: list, batch_idx: int) -> None:
        """Keep what a step logs; hand it on when someone looks.

        Reading a number waits for the GPU, so this is done once in a while
        for many steps. Hooks that want the values have ``after_log_flush``.
        """
        self._pending.append(dict(values=values, step=self._iter, keys=sample_keys(batch)))
        on_cpu = all(value.device.type == 'cpu' for value in values.values())
        if on_cpu or self._is_looked_at(batch_idx):
            self.flush_log()

    def _is_looked_at(self, batch_idx: int) -> bool:
        """Whether the values of the step that is running are logged when it ends."""
        return (batch_idx + 1) % self._flush_interval() == 0 \
            or (batch_idx + 1) % len(self.sampler) == 0 or self._iter + 1 == self._max_iters

    def _flush_interval(self) -> int:
        intervals = [hook.interval for hook in self.runner.hooks if isinstance(hook, LoggerHook)]
        return max(min(intervals, default=50), 1)

    def flush_log(self) -> None:
        """Hand the values of the latest steps to the message hub: one synchronisation."""
        pending, self._pending = self._pending, []
        if not pending:
            return
        flat = torch.stack([value.float() for entry in pending
                            for value in entry['values'].values()]).tolist()
        numbers = iter(flat)
        for entry in pending:
            entry['values'] = {name: next(numbers) for name in entry['values']}
            for name, value in entry['values'].items():
                self.runner.message_hub.update_scalar(f'train/{name}', value)
        self.runner.call_hook('after_log_flush', entries=pending)

    # -- validation

    def _validate_if_due(self, resumed: bool = False) -> None:
        done = self._epoch if self.by_epoch else self._iter
        at_end = self._iter >= self._max_iters
        at_boundary = not self.by_epoch or self._iter == self._epoch * len(self.sampler)
        hub = self.runner.message_hub
        if self.runner.val_loop is None or not at_boundary or done < self.val_begin \
                or (done % self.val_interval and not at_end):
            return
        if resumed and hub.runtime_info.get('validated_iter') == self._iter:
            return
        hub.update_info('validated_iter', self._iter)
        try:
            self.runner.val_loop.run()
        except (OSError, ValueError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and not isinstance(error.__cause__, LOST):
                raise
            raise TrainingStopped(
                f'the validation after step {self._iter} failed: {error}. Mend it (is the folder '
                'of the validation data reachable?) and go on with --resume auto: the validation '
                'is done again, nothing is lost but the steps since the last checkpoint '
                f'({hub.runtime_info.get("last_ckpt", "none yet")})') from error

    # -- data

    def _accumulation(self, total: int | None) -> int:
        world_size = get_dist_info()[1]
        at_once = self.batch_size * world_size
        wrapper = self.runner.optim_wrapper  # the runner builds it after the loop
        if not isinstance(wrapper, dict):
            raise ValueError('ResumableTrainLoop says how often gradients accumulate: it needs '
                             f'the config of an optimizer wrapper, not a {type(wrapper).__name__}')
        if total is None:
            return wrapper.get('accumulative_counts', 1)
        if total % at_once:
            raise ValueError(
                f'a total batch of {total} (train_cfg.total_batch_size) cannot be made by '
                f'{world_size} process(es) with {self.batch_size} sample(s) each '
                f'(train_dataloader.batch_size): {total} is no multiple of {at_once}. Use a '
                'number of GPUs and a batch_size whose product divides it, or train with another '
                'total batch and scale the learning rate: --auto-scale-lr')
        wrapper['accumulative_counts'] = total // at_once
        return total // at_once

    def _build_loader(self, cfg: dict) -> tuple[StepSampler, DataLoader]:
        cfg = dict(without_workers(cfg))
        sampler_cfg = cfg.pop('sampler', dict(type='DefaultSampler', shuffle=True))
        if sampler_cfg.get('type') not in SAMPLERS or 'batch_sampler' in cfg \
                or 'num_batch_per_epoch' in cfg:
            raise ValueError(
                'ResumableTrainLoop draws the samples itself; it can stand for the samplers '
                f'{" and ".join(SAMPLERS)}, without batch_sampler and num_batch_per_epoch, but the '
                f'train_dataloader has sampler {sampler_cfg.get("type")!r}')
        dataset = cfg.pop('dataset')
        if isinstance(dataset, dict):
            dataset = DATASETS.build(dataset)
            if hasattr(dataset, 'full_init'):
                dataset.full_init()
        if not len(dataset):
            raise ValueError('the training dataset has no samples')
        rank, world_size = get_dist_info()
        seed = self.runner.seed
        sampler = StepSampler(len(dataset), cfg.pop('batch_size'), self.accumulation, num_steps=0,
                              seed=seed, shuffle=sampler_cfg.get('shuffle', True), rank=rank,
                              world_size=world_size)
        collate = cfg.pop('collate_fn', None)
        if isinstance(collate, dict):
            collate = dict(collate)
            name = collate.pop('type')
            collate = partial(FUNCTIONS.get(name) if isinstance(name, str) else name, **collate)
        num_workers = cfg.get('num_workers', 0)
        for name in ('drop_last', 'persistent_workers', 'worker_init_fn'):
            cfg.pop(name, None)  # one pass over all steps: nothing is dropped or started twice
        cfg.pop('shuffle', None)
        loader = DataLoader(
            SeededDataset(dataset, seed), batch_sampler=sampler,
            collate_fn=MicroBatchCollate(collate or pseudo_collate, self.batch_size),
            worker_init_fn=partial(worker_init_fn, num_workers=num_workers, rank=rank, seed=seed,
                                   disable_subprocess_warning=True), **cfg)
        return sampler, loader

    def _start_loader(self):
        # a resume may have brought the seed of the checkpoint
        dataset: Any = self.dataloader.dataset
        self.sampler.seed = dataset.seed = self.runner.seed
        self.sampler.start = self._iter
        others = multiprocessing.active_children()
        batches = iter(self.dataloader)
        self._workers = [child for child in multiprocessing.active_children()
                         if child not in others]
        if self.dataloader.num_workers and threading.current_thread() is threading.main_thread():
            # PyTorch's handler raises where a step happens to be when a worker dies; without it
            # the death is noticed where the next batch is asked for, within 5 seconds.
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        return batches

    def _next(self, batches) -> tuple:
        """The batch of the next step, from new workers where the old ones died."""
        while True:
            try:
                batch = next(batches)
                self._loader_restarts = 0
                return batches, batch
            except (RuntimeError, OSError, EOFError, pickle.UnpicklingError) as error:
                if not self._worker_died():
                    raise
                reason = ' '.join(str(error).split())
            self._loader_restarts += 1
            if self._loader_restarts > self.max_loader_restarts:
                raise TrainingStopped(
                    f'the data workers died {self._loader_restarts} times in a row before step '
                    f'{self._iter + 1}: {reason}. Often this is the memory: lower '
                    'train_dataloader.num_workers or give the job more of it, then go on with '
                    '--resume auto')
            print_log(f'a data worker died ({reason}); starting them again at step '
                      f'{self._iter + 1}', logger='current', level=logging.ERROR)
            del batches
            time.sleep(0.1)
            batches = self._start_loader()

    def _worker_died(self) -> bool:
        """Whether an error of the loader comes from a dead worker and not from the data.

        What a worker had shared is gone with it, which raises nearly anything; it may take a
        moment to be seen as dead.
        """
        for worker in self._workers:
            worker.join(timeout=1 / len(self._workers))
        return any(not worker.is_alive() for worker in self._workers)


def sample_keys(batch: list) -> list[str]:
    """Names of the samples of a step, where they have one.

    Args:
        batch (list): Its micro-batches, each a dict with ``data_samples``.
    """
    samples = [sample for micro_batch in batch if isinstance(micro_batch, dict)
               for sample in micro_batch.get('data_samples', ())]
    return [str(getattr(sample, 'key', '?')) for sample in samples]
