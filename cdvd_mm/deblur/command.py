"""What ``tools/deblur.py`` does with its arguments."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

INTERRUPTED = 130


def parse_time(text: str) -> float:
    """Seconds of '90', '1:30' or '0:01:30.5'.

    Raises:
        ValueError: Something else.
    """
    seconds = 0.
    parts = text.split(':')
    if len(parts) > 3:
        raise ValueError(f'{text!r} is no time: expected seconds or [[H:]MM:]SS')
    for part in parts:
        seconds = 60 * seconds + float(part)
    return seconds


def parse_tile(text: str) -> int | str | None:
    """'auto', 'none' or a number of pixels.

    Raises:
        ValueError: Something else.
    """
    if text.lower() in ('auto', 'none'):
        return None if text.lower() == 'none' else 'auto'
    return int(text)


def run(source: str, output: str, config: str, checkpoint: str | None, *, device: str = 'auto',
        precision: str = 'fp32', tile: int | str | None = 'auto', overlap: int = 96,
        compile: bool = False, cfg_options: dict | None = None, quiet: bool = False,
        **options: object) -> int:
    """Restore a video, with a progress bar; never raises for what a user got wrong.

    Args:
        source (str): Video file or folder.
        output (str): Video file or folder.
        config (str): Path of the config.
        checkpoint (str | None): Path of the checkpoint.
        device (str): See :class:`~cdvd_mm.inference.inferencer.VideoDeblurInferencer`.
        precision (str): As there.
        tile (int | str | None): As there.
        overlap (int): As there.
        compile (bool): As there.
        cfg_options (dict, optional): Settings that override the config's.
        quiet (bool): No progress bar.
        **options: Fields of :class:`~cdvd_mm.deblur.DeblurOptions`.

    Returns:
        int: 0: done; 1: an error, or an input that was damaged (what could be
        decoded is restored then); 130: interrupted.
    """
    from cdvd_mm.inference.precision import OutOfMemoryError
    try:
        from cdvd_mm.deblur import DeblurOptions, deblur_video
        from cdvd_mm.inference.inferencer import VideoDeblurInferencer
        from cdvd_mm.video.reader import open_reader
        job = DeblurOptions(**options)
        open_reader(source, job.fps).close()  # tell of a bad input before the model is built
        deblur = VideoDeblurInferencer(config, checkpoint, device, precision, tile, overlap,
                                       compile, cfg_options)
        with _progress(Path(source).name, quiet) as on_frame, _terminable():
            report = deblur_video(deblur.restorer, source, output, job, deblur.model_id, on_frame)
    except KeyboardInterrupt:
        _say(f'interrupted: what is done is kept in {output}.parts; the same command goes on '
             'from there')
        return INTERRUPTED
    except ImportError as error:
        if (error.name or '').split('.')[0] != 'av':
            raise
        _say("error: reading and writing videos needs PyAV: pip install 'cdvd_mm[video]'")
        return 1
    except (ValueError, OSError, OutOfMemoryError) as error:
        _say(f'error: {error}')
        if Path(f'{output}.parts').exists():
            _say(f'what is done is kept in {output}.parts; the same command goes on from there')
        return 1
    speed = (report.num_frames - report.num_resumed) / max(report.seconds, 1e-9)
    resumed = f', {report.num_resumed} of them from an earlier run' if report.num_resumed else ''
    sys.stdout.write(f'{report.output}: {report.num_frames} frames{resumed}, '
                     f'{report.seconds:.1f} s, {speed:.3g} frames/s\n')
    if report.damage:
        _say(f'warning: {source} is damaged ({"; ".join(report.damage)}); what could be decoded '
             f'is restored in {output}')
        return 1
    return 0


def _say(text: str) -> None:
    sys.stderr.write(f'{text}\n')
    sys.stderr.flush()


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Treat a polite kill (a batch system's, say) as Ctrl-C."""
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _progress(name: str, quiet: bool) -> Iterator[object]:
    """A bar with time left and frames a second."""
    if quiet:
        yield None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )
    with Progress(TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(),
                  TextColumn('{task.fields[speed]}'), TimeRemainingColumn(),
                  console=Console(stderr=True)) as bar:
        task = bar.add_task(name, total=None, speed='')

        def on_frame(done: int, expected: int) -> None:
            rate = bar.tasks[task].speed
            bar.update(task, completed=done, total=max(expected, done) or None,
                       speed=f'{rate:.3g} frames/s' if rate else '')

        yield on_frame
