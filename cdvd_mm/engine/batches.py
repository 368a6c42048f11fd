"""Batches that depend on the step alone: not on workers, processes or interruptions.

A training is a sequence of optimiser steps, and every step takes
``total_batch_size`` samples. Sample number ``p`` of the whole training (from 0,
across epochs) is always the same one with the same augmentation: the order of
an epoch is drawn from (seed, epoch), and the random states of Python, NumPy and
PyTorch are set from (seed, p) before the sample is loaded. Micro-batch number
``m`` of the whole training is always the same one too, whichever process and
whichever turn of gradient accumulation computes it: with A accumulations and W
processes, process r computes micro-batch ``m = (step * A + a) * W + r``.

So there is no random state to save: going on from step n is starting at step n.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset, Sampler

ORDER, SAMPLE, MICRO_BATCH = range(3)
"""What a random stream is for; keeps the streams of one seed apart."""


def derived_seed(seed: int, stream: int, number: int) -> int:
    """Mix a seed with the number of an event: 63 bits, far apart for near numbers.

    Args:
        seed (int): Seed of the training, not negative.
        stream (int): ``ORDER``, ``SAMPLE`` or ``MICRO_BATCH``.
        number (int): Number of the epoch, sample or micro-batch, not negative.
    """
    words = np.random.SeedSequence([seed, stream, number]).generate_state(2, np.uint32)
    return (int(words[0]) << 31) ^ int(words[1])


def seed_process(seed: int) -> None:
    """Set the random states of Python, NumPy and PyTorch, on all devices."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Set the random states of Python, NumPy and PyTorch's CPU; put them back at the end."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.default_generator.manual_seed(seed)  # leaves GPUs alone: workers must not touch them
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])


class SeededDataset(Dataset):
    """Loads a sample under random states that its number in the training sets.

    Args:
        dataset (Dataset): Any dataset with ``len``; its attributes stay
            reachable through this one.
        seed (int): Seed of the training.
    """

    def __init__(self, dataset: Dataset, seed: int) -> None:
        self.dataset = dataset
        self.seed = seed

    def __len__(self) -> int:
        return len(self.dataset)  # type: ignore[arg-type]  # PyTorch leaves this open

    def __getitem__(self, place: tuple[int, int]) -> Any:
        """Load a sample.

        Args:
            place (tuple[int, int]): Its index in the dataset, and its number
                in the training.
        """
        index, number = place
        with seeded(derived_seed(self.seed, SAMPLE, number)):
            return self.dataset[index]

    def __getattr__(self, name: str) -> Any:
        if name.startswith('__') or name == 'dataset':
            raise AttributeError(name)
        return getattr(self.dataset, name)


class StepSampler(Sampler):
    """What this process loads for each optimiser step.

    Yields, for every step from ``start`` on, the places
    ``(index, number)`` of ``accumulation * batch_size`` samples, one
    micro-batch after the other.

    Args:
        num_samples (int): Length of the dataset.
        batch_size (int): Samples of a micro-batch.
        accumulation (int): Micro-batches of this process in a step.
        num_steps (int): Steps of the training.
        seed (int): Seed of the training, the same on every process.
        shuffle (bool): Draw a new order for every epoch.
        rank (int): Number of this process.
        world_size (int): Number of processes.

    Attributes:
        start (int): The step to begin with.
        steps_per_epoch (int): Full total batches in the dataset, at least 1.
            What is left over of an epoch's order is dropped; a dataset
            smaller than the total batch is gone through repeatedly.
    """

    def __init__(self, num_samples: int, batch_size: int, accumulation: int, num_steps: int,
                 seed: int, shuffle: bool = True, rank: int = 0, world_size: int = 1) -> None:
        self.num_samples = num_samples
        self.batch_size = batch_size
        self.accumulation = accumulation
        self.num_steps = num_steps
        self.seed = seed
        self.shuffle = shuffle
        self.rank = rank
        self.world_size = world_size
        self.start = 0
        self.sampler = None  # MMEngine's DistSamplerSeedHook looks for it
        self.total_batch_size = batch_size * accumulation * world_size
        self.steps_per_epoch = max(num_samples // self.total_batch_size, 1)

    def __len__(self) -> int:
        """Steps of an epoch."""
        return self.steps_per_epoch

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        """Go through the steps from ``start`` to the end of the training."""
        epoch = -1
        order: Sequence[int] = ()
        for step in range(self.start, self.num_steps):
            if step // self.steps_per_epoch != epoch:
                epoch = step // self.steps_per_epoch
                order = self._order(epoch)
            yield self._places(step, order)

    def micro_batch(self, step: int, turn: int) -> int:
        """Number in the training of the micro-batch of a turn of this process."""
        return (step * self.accumulation + turn) * self.world_size + self.rank

    def _order(self, epoch: int) -> Sequence[int]:
        if not self.shuffle:
            return range(self.num_samples)  # a dataset without end has a billion
        generator = torch.Generator().manual_seed(derived_seed(self.seed, ORDER, epoch))
        return torch.randperm(self.num_samples, generator=generator).tolist()

    def _places(self, step: int, order: Sequence[int]) -> list[tuple[int, int]]:
        first_of_epoch = step // self.steps_per_epoch * self.steps_per_epoch * self.total_batch_size
        places = []
        for turn in range(self.accumulation):
            first = self.micro_batch(step, turn) * self.batch_size
            places += [(order[(number - first_of_epoch) % self.num_samples], number)
                       for number in range(first, first + self.batch_size)]
        return places


class MicroBatchCollate:
    """Cuts the samples of a step into micro-batches and collates each.

    Args:
        collate (Callable): Makes a batch of a list of samples.
        batch_size (int): Samples of a micro-batch.
    """

    def __init__(self, collate: Callable, batch_size: int) -> None:
        self.collate = collate
        self.batch_size = batch_size

    def __call__(self, samples: list) -> list:
        """Return the list of batches."""
        return [self.collate(samples[first:first + self.batch_size])
                for first in range(0, len(samples), self.batch_size)]
