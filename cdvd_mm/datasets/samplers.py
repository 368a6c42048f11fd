"""Samplers."""

from __future__ import annotations

from collections.abc import Iterator, Sized
from typing import Any

from mmengine.dist import get_dist_info
from torch.utils.data import BatchSampler, Sampler

from cdvd_mm.registry import DATA_SAMPLERS


@DATA_SAMPLERS.register_module()
class VideoRunSampler(Sampler):
    """For testing: every process gets a contiguous run of samples, each sample exactly once.

    Neighbouring windows share frames, so that a process that works through a run reads and decodes
    each frame once (:class:`LoadVideoFrames`, ``cache_frames``), and all GPUs are busy however few
    the videos are. Windows at the cut overlap, and nothing is added to make the runs equally long.

    Args:
        dataset: The dataset.
        shuffle: Must be False; there because runners pass it.
        seed: Unused; there because runners pass it.
    """

    def __init__(self, dataset: Sized, shuffle: bool = False, seed: int | None = None) -> None:
        if shuffle:
            raise ValueError('VideoRunSampler keeps the order of the frames, use DefaultSampler '
                             'with shuffle=True for training')
        rank, world_size = get_dist_info()
        self.dataset = dataset
        length = len(dataset)
        self.start = length * rank // world_size
        self.stop = length * (rank + 1) // world_size

    def __iter__(self) -> Iterator[int]:
        """Indices of this process's run."""
        return iter(range(self.start, self.stop))

    def __len__(self) -> int:
        """Number of samples of this process."""
        return self.stop - self.start

    def set_epoch(self, epoch: int) -> None:
        """Every epoch is the same."""


@DATA_SAMPLERS.register_module()
class SameSizeBatchSampler(BatchSampler):
    """Batches of frames of one size: a batch ends where the size of the next sample differs.

    Args:
        sampler: Gives the indices, such as a :class:`VideoRunSampler`; it knows its dataset.
        batch_size: Samples of a batch, at most.
    """

    def __init__(self, sampler: VideoRunSampler, batch_size: int) -> None:
        super().__init__(sampler, batch_size, drop_last=False)
        dataset: Any = sampler.dataset
        sizes = [dataset.get_data_info(index)['frame_size'] for index in sampler]
        self.batches: list[list[int]] = []
        previous = None
        for index, size in zip(sampler, sizes):
            if size != previous or len(self.batches[-1]) == batch_size:
                self.batches.append([])
            self.batches[-1].append(index)
            previous = size

    def __iter__(self) -> Iterator[list[int]]:
        """Indices of each batch."""
        return iter(self.batches)

    def __len__(self) -> int:
        """Number of batches of this process."""
        return len(self.batches)
