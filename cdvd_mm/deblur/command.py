"""``cdvd-mm deblur``: the progress bar and the last words."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from cdvd_mm.errors import exit_code, say, terminable
from cdvd_mm.inference.options import InferenceOptions

from .options import DeblurCommand, DeblurOptions
from .parts import holds_parts, parts_folder


def deblur(files: DeblurCommand, inference: InferenceOptions, options: DeblurOptions) -> int:
    """Restore a video, with a progress bar; say what came of it.

    Args:
        files (DeblurCommand): Input, output and model.
        inference (InferenceOptions): How the network is run.
        options (DeblurOptions): What is written.

    Returns:
        int: 0: done; 1: the input was damaged (what could be decoded is
        restored), or the output is not as it should be; 130: interrupted;
        143: ended by SIGTERM.
    """
    kept = parts_folder(Path(files.output))
    again = f'what is done is kept in {kept}; the same command goes on from there'
    try:
        from cdvd_mm.video.reader import open_reader

        from .plan import make_plan
        with open_reader(files.source, options.fps, options.deinterlace) as reader:
            plan = make_plan(reader, files.output, options)
            from .inferencer import VideoDeblurInferencer  # only now: this takes seconds
            inferencer = VideoDeblurInferencer(files.config, files.checkpoint, files.cfg_options,
                                               **vars(inference))
            with _progress(Path(files.source).name, files.quiet) as on_frame, terminable():
                report = inferencer.run(plan, on_frame)
    except KeyboardInterrupt as error:
        say(f'interrupted: {again}' if kept.exists() else 'interrupted')
        return exit_code(error)
    except Exception:
        if holds_parts(Path(files.output)):
            say(again)
        raise
    speed = (report.num_frames - report.num_resumed) / max(report.seconds, 1e-9)
    resumed = f', {report.num_resumed} of them from an earlier run' if report.num_resumed else ''
    sys.stdout.write(f'{report.output}: {report.num_frames} frames{resumed}, '
                     f'{report.seconds:.1f} s, {speed:.3g} frames/s\n')
    if report.damage:
        say(f'warning: {files.source} is damaged ({"; ".join(report.damage)}); what could be '
             f'decoded is restored in {files.output}')
    if report.problems:
        say(f'warning: {report.output} is not as it should be: {"; ".join(report.problems)}')
    return 1 if report.damage or report.problems else 0


@contextlib.contextmanager
def _progress(name: str, quiet: bool) -> Iterator[Callable[[int, int], None] | None]:
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
