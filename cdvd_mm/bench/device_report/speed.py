"""How fast a device restores: frames in memory, and from file to file."""

from __future__ import annotations

import itertools
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from cdvd_mm.bench import inference
from cdvd_mm.bench.options import BenchmarkOptions
from cdvd_mm.deblur import job, pipeline
from cdvd_mm.deblur.options import DeblurOptions
from cdvd_mm.deblur.plan import make_plan
from cdvd_mm.inference.frame_restorer import FrameRestorer
from cdvd_mm.inference.inferencer import FrameInferencer
from cdvd_mm.video.reader import open_reader

from .material import moving_frames, write_video
from .settings import Settings, Table, markdown


def time_inference(settings: Settings) -> Iterator[Table]:
    """Plain against streaming at every size, in all precisions, with all that may be faster."""
    end = time.monotonic() + 0.85 * settings.seconds
    for number, (width, height) in enumerate(settings.sizes):
        left = (end - time.monotonic()) / (len(settings.sizes) - number)
        options = BenchmarkOptions(
            config=settings.config, checkpoint=settings.checkpoint, device=settings.device,
            cfg_options=settings.cfg_options, sizes=((width, height), ), rounds=20,
            precisions=tuple(settings.precisions), compile=settings.on_gpu,
            graphs=settings.on_gpu, seconds=max(1., left),
            backends=('auto', 'torch') if settings.on_gpu else ('auto', ))
        report = inference.benchmark(options)
        yield Table(f'Restoration, {width}x{height}',
                    inference.to_markdown(report).splitlines(), report, 'inference')


def profile_fastest(settings: Settings) -> Iterator[Table]:
    """Where the time of the fastest precision goes."""
    width, height = settings.sizes[0]
    precision = settings.precisions[-1]
    options = BenchmarkOptions(
        config=settings.config, checkpoint=settings.checkpoint, device=settings.device,
        cfg_options=settings.cfg_options, sizes=((width, height), ), precisions=(precision, ))
    rows = inference.profile(options, precision)
    yield Table(f'Where the time goes: streaming, {width}x{height}, {precision}',
                markdown(['kernel or operator', 'share', 'ms a frame', 'calls a frame'], [
                    [row['name'][:70], f'{100 * row["share"]:.1f} %', f'{row["ms"]:.2f}',
                     f'{row["calls"]:.0f}'] for row in rows]), rows, 'profile')


class _Busy:
    """Adds up, by name, the time that threads are at work."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._lock = threading.Lock()

    def timed(self, name: str, function: Callable) -> Callable:
        def call(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                with self._lock:
                    self.seconds[name] += time.perf_counter() - start
        return call

    def iterated(self, name: str, function: Callable) -> Callable:
        def call(*args: Any, **kwargs: Any) -> Iterator:
            items = iter(function(*args, **kwargs))
            take = self.timed(name, lambda: next(items, None))
            yield from iter(take, None)
        return call


STEPS = {'decode': 'reading', 'restore': 'computing', 'fetch': 'writing', 'encode': 'writing'}
"""What is timed of a run from file to file, and the thread that does it."""


def time_file(restorer: FrameRestorer, source: Path, output: Path) -> tuple[float, dict]:
    """Restore a film.

    Args:
        restorer (FrameRestorer): The network.
        source (Path): The film.
        output (Path): To be written.

    Returns:
        tuple[float, dict]: Frames a second, and of each of :data:`STEPS` the share of the time
        that its thread is at work on it.
    """
    busy = _Busy()
    make_sink = job.make_sink

    def timed_sink(*args: Any) -> Any:
        sink = make_sink(*args)
        sink.write = busy.timed('encode', sink.write)  # type: ignore[method-assign]
        return sink

    with open_reader(source) as reader, \
            mock.patch.object(job, 'make_sink', timed_sink), \
            mock.patch.object(pipeline, 'to_array', busy.timed('fetch', pipeline.to_array)), \
            mock.patch.object(reader, 'frames', busy.iterated('decode', reader.frames)), \
            mock.patch.object(restorer, 'push', busy.timed('restore', restorer.push)):
        start = time.perf_counter()
        report = job.run_job(make_plan(reader, output, DeblurOptions(overwrite=True)), restorer)
        seconds = time.perf_counter() - start
    return report.num_frames / seconds, {step: busy.seconds[step] / seconds for step in STEPS}


def time_files(settings: Settings) -> Iterator[Table]:
    """From file to file with the share of each thread: the package's network, the config's."""
    folder = Path(settings.folder)
    width, height = settings.sizes[0]
    number = 120 if settings.on_gpu else 8
    source = Path(settings.video) if settings.video else write_video(
        folder / 'film.mp4', (pair[0] for pair in moving_frames(width, height, number)))
    fastest = settings.precisions[-1]
    networks: list[tuple[str, tuple, str]] = [
        ('CDVD-lite', (None, None), 'fp32'), ('CDVD-lite', (None, None), fastest),
        (Path(settings.config).stem, (settings.config, settings.checkpoint), fastest)]
    rows = []
    for name, (config, checkpoint), precision in dict.fromkeys(networks):
        inferencer = FrameInferencer(
            config, checkpoint, settings.cfg_options if config else None,
            device=settings.device, precision=precision, graphs=settings.on_gpu)
        list(inferencer.restore(pair[0] for pair in itertools.islice(
            moving_frames(width, height, 6), 6)))  # warms up
        speed, shares = time_file(inferencer.restorer, source, folder / 'restored.mp4')
        rows.append([name, precision, f'{speed:.3g}', *(f'{100 * x:.0f} %'
                                                        for x in shares.values())])
    yield Table('From file to file', [
        f'{width}x{height}. Shares of the time in which each thread is at work: reading (decode), '
        'computing (restore), writing (fetch, encode).', '',
        *markdown(['network', 'precision', 'frames/s', *STEPS], rows)], rows, 'file_to_file')
