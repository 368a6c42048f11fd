"""How fast training samples come, and where the time goes."""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field

import numpy as np
import torch
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope
from torch.utils.data import DataLoader, Subset

from cdvd_mm.datasets import frames
from cdvd_mm.datasets.frame_files import decode_frame, read_bytes
from cdvd_mm.datasets.frame_store import STORE_MARK, FrameStore, is_store, open_store
from cdvd_mm.progress import track
from cdvd_mm.registry import DATASETS

STAGES = ('read', 'decode', 'crop', 'augment', 'pack')


@dataclass
class LoaderReport:
    """Speed of one data root.

    Attributes:
        data_root: The folder.
        form: 'files', or the codec of its store.
        num_samples: Samples measured.
        stages: Mean seconds of each stage of a sample, in one process. Of a store: 'read' fetches
            tiles, 'decode' checks and decodes them, 'crop' puts them together.
        sequential: Samples a second of one process, all stages.
        ceiling: Samples a second of one process that only decodes, from memory.
        workers: Processes of the loader.
        loader: Samples a second of the loader.
    """

    data_root: str
    form: str
    num_samples: int
    stages: dict[str, float] = field(default_factory=dict)
    sequential: float = 0.
    ceiling: float = 0.
    workers: int = 0
    loader: float = 0.

    def as_dict(self) -> dict:
        """For a JSON report."""
        return asdict(self)


class _Clock:
    """Adds up time by name; the time of an inner name is not part of the outer one."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._inner = 0.

    def timed(self, name: str, function: Callable) -> Callable:
        def call(*args, **kwargs):
            outer, self._inner = self._inner, 0.
            start = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                spent = time.perf_counter() - start
                self.seconds[name] += spent - self._inner
                self._inner = outer + spent
        return call


@contextmanager
def _replaced(owner, name: str, value) -> Iterator[None]:
    old = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, old)


@contextmanager
def _one_thread() -> Iterator[None]:
    """As in a loader's worker."""
    old = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(old)


def _seed(index: int) -> None:
    random.seed(index)
    np.random.seed(index)
    torch.manual_seed(index)


def benchmark_loader(dataset_cfg: dict, data_roots: Sequence[str] | None, samples: int,
                     workers: int) -> tuple[list[LoaderReport], bool | None]:
    """Measure a training dataset on one or several forms of the same data, in one run.

    Args:
        dataset_cfg: Config of the dataset, ``train_dataloader.dataset``.
        data_roots: Folders to compare; ``None`` for the config's.
        samples: Samples to measure, spread over the dataset.
        workers: Processes of the loader that is measured as well.

    Returns:
        A report for each root, and whether all roots gave identical tensors for one seed (``None``
        with one root).

    Raises:
        FileNotFoundError, ValueError: As the dataset.
    """
    if samples < 1:
        raise ValueError(f'samples must be at least 1, found {samples}')
    reports, fingerprints = [], []
    with DefaultScope.overwrite_default_scope('cdvd_mm'), _one_thread():
        for root in data_roots or [dataset_cfg['data_root']]:
            dataset = DATASETS.build(dict(dataset_cfg, data_root=root))
            indices = [int(i) for i in np.linspace(0, len(dataset) - 1, samples)]
            report = LoaderReport(str(root), _form(str(root)), samples, workers=workers)
            fingerprints.append(_measure_stages(dataset, indices, report))
            _measure_ceiling(dataset, indices[:max(1, samples // 2)], report)
            _measure_loader(dataset, indices, report)
            reports.append(report)
    same = all(f == fingerprints[0] for f in fingerprints) if len(fingerprints) > 1 else None
    return reports, same


def _form(root: str) -> str:
    return f'store ({open_store(root).codec})' if is_store(root) else 'files'


def _measure_stages(dataset, indices: list[int], report: LoaderReport) -> list[int]:
    """Fill in the stages; return a checksum of every sample."""
    clock, sums = _Clock(), []
    first, *middle = dataset.pipeline.transforms
    stages = [(first, 'crop')] + [(t, 'pack' if type(t).__name__ == 'PackInputs' else 'augment')
                                  for t in middle]
    dataset[indices[0]]  # open files and stores before the clock runs
    with ExitStack() as stack:
        for owner, name, stage in ((frames, 'read_bytes', 'read'),
                                   (frames, 'decode_frame', 'decode'),
                                   (FrameStore, '_get', 'read'), (FrameStore, '_tile', 'decode')):
            stack.enter_context(_replaced(owner, name, clock.timed(stage, getattr(owner, name))))
        for index in track(indices, f'stages, {report.form}'):
            _seed(index)
            results = dataset.get_data_info(index)
            for transform, stage in stages:
                results = clock.timed(stage, transform)(results)
            sums.append(_checksum(results))
    report.stages = {stage: clock.seconds[stage] / len(indices) for stage in STAGES}
    report.sequential = 1 / sum(report.stages.values())
    return sums


def _checksum(sample: dict) -> int:
    tensors = [sample['inputs'], getattr(sample['data_samples'], 'gt_img', None)]
    return hash(tuple(t.numpy().tobytes() for t in tensors if isinstance(t, torch.Tensor)))


def _measure_ceiling(dataset, indices: list[int], report: LoaderReport) -> None:
    """Decode the same frames, or tiles, from memory, and do nothing else."""
    load = dataset.pipeline.transforms[0]
    memory: dict[str, bytes] = {}
    seconds = 0.
    for index in indices:
        _seed(index)
        info = dataset.get_data_info(index)
        sharp = info.get('gt_path', [])
        paths = [*info['img_path'], *([sharp] if isinstance(sharp, str) else sharp)]
        memory.clear()
        if STORE_MARK in paths[0]:
            store = open_store(paths[0].split(STORE_MARK)[0])
            fetch = store._get

            def remember(key, fetch=fetch):
                memory[key] = value = fetch(key)
                return value

            keys: list[tuple] = []
            with _replaced(FrameStore, '_get', lambda self, key, get=remember: get(key)):
                _seed(index)
                load(dict(info))
            with _replaced(FrameStore, '_get', lambda self, key: memory[key]), \
                    _replaced(FrameStore, '_tile', _listing(FrameStore._tile, keys)):
                _seed(index)
                load(dict(info))
                start = time.perf_counter()
                for args in keys:
                    args[0](store, *args[1:])
                seconds += time.perf_counter() - start
        else:
            contents = [read_bytes(path) for path in paths]
            start = time.perf_counter()
            for path, content in zip(paths, contents):
                decode_frame(content, path)
            seconds += time.perf_counter() - start
    report.ceiling = len(indices) / seconds


def _listing(function: Callable, calls: list) -> Callable:
    """``function`` that notes its arguments."""
    def call(self, *args):
        calls.append((function, *args))
        return function(self, *args)
    return call


def _measure_loader(dataset, indices: list[int], report: LoaderReport) -> None:
    """The loader itself; its start-up is not counted."""
    warm_up = max(2, 2 * report.workers)
    chosen = [indices[i % len(indices)] for i in range(warm_up)] + indices
    loader = iter(DataLoader(Subset(dataset, chosen), batch_size=1, num_workers=report.workers,
                             collate_fn=pseudo_collate))
    for _ in range(warm_up):
        next(loader)
    start = time.perf_counter()
    count = sum(1 for _ in loader)
    # workers were ahead by what they had queued when the clock started: at most two each
    report.loader = count / (time.perf_counter() - start)
