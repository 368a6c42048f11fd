"""Restores a video: the run and its report."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Callable
from pathlib import Path

from cdvd_mm.inference.frame_restorer import FrameRestorer
from cdvd_mm.video.reader import open_reader

from .options import DeblurOptions
from .parts import Parts
from .pipeline import Pipeline
from .plan import Plan, make_plan
from .sinks import make_sink

OnFrame = Callable[[int, int], None]


@dataclasses.dataclass(frozen=True)
class DeblurReport:
    """What came of it.

    Args:
        output (Path): The finished file or folder.
        num_frames (int): Frames in it.
        num_resumed (int): Those of them that an earlier run had made.
        seconds (float): How long this run took.
        damage (list[str]): What could not be decoded; empty for a whole input.
        problems (list[str]): What in the output, read back, is not as it should be.
    """

    output: Path
    num_frames: int
    num_resumed: int
    seconds: float
    damage: list[str]
    problems: list[str]


def deblur_video(restorer: FrameRestorer, source: str | Path, output: str | Path,
                 options: DeblurOptions | None = None, model_id: str = '',
                 on_frame: OnFrame | None = None) -> DeblurReport:
    """Restore a video file or a folder of frames.

    Args:
        restorer (FrameRestorer): The network.
        source (str | Path): mp4, mov, mkv, webm, gif ... or a folder of pictures.
        output (str | Path): See :func:`~cdvd_mm.deblur.plan.make_plan`.
        options (DeblurOptions, optional): What else to do.
        model_id (str): See :func:`run_job`.
        on_frame (Callable, optional): See :func:`run_job`.

    Returns:
        DeblurReport: Look at its ``damage``.

    Raises:
        FileNotFoundError: No such input.
        ValueError: Not a video, no frames, an output that exists or cannot be
            of this kind, parts of a run with other settings.
        OSError: The output cannot be written.
    """
    options = options or DeblurOptions()
    with open_reader(source, options.fps, options.deinterlace) as reader:
        return run_job(make_plan(reader, output, options), restorer, model_id, on_frame)


def run_job(plan: Plan, restorer: FrameRestorer, model_id: str = '',
            on_frame: OnFrame | None = None) -> DeblurReport:
    """Restore what was planned.

    While it runs, the result grows in ``OUTPUT.parts`` beside the output,
    which takes its name when all is done. After an interruption, calling it
    again goes on from there.

    Args:
        plan (Plan): Input, output and options.
        restorer (FrameRestorer): The network.
        model_id (str): Tells models apart, so that no run is resumed with another one.
        on_frame (Callable, optional): Called with the number of frames done
            and expected (0: unknown).

    Returns:
        DeblurReport: Look at its ``damage``.

    Raises:
        ValueError: No frames, or parts of a run with other settings.
        OSError: The output cannot be written.
    """
    started = time.perf_counter()
    with Parts(plan.output, _settings(plan, restorer, model_id), plan.options.resume) as parts:
        sink = make_sink(plan, parts)
        done = parts.num_frames if parts.complete else sink.num_done
        if not parts.complete:
            Pipeline(plan.reader, restorer, sink, plan.options, on_frame).run()
            if sink.num_done == 0:
                raise ValueError(_nothing_found(plan))
            parts.mark_complete(sink.num_done, plan.reader.damage)
        sink.publish()
        parts.remove()
    return DeblurReport(plan.output, parts.num_frames, done, time.perf_counter() - started,
                        parts.damage, sink.problems)


def _nothing_found(plan: Plan) -> str:
    source, options = plan.reader.path, plan.options
    if options.start is not None or options.end is not None:
        return (f'no frames of {source} lie between {options.start or 0} s and '
                f'{"its end" if options.end is None else f"{options.end} s"}')
    return (f'no frames of {source} could be decoded: '
            f'{"; ".join(plan.reader.damage) or "it has none"}')


def _settings(plan: Plan, restorer: FrameRestorer, model_id: str) -> dict[str, str]:
    """All that the frames depend on; a run is resumed only where it is unchanged."""
    digest = hashlib.sha256()
    for file in plan.reader.files:
        stat = file.stat()
        digest.update(f'{file.name}:{stat.st_size}:{stat.st_mtime_ns};'.encode(
            errors='surrogateescape'))
    chosen = dataclasses.asdict(plan.options)
    for name in ('strict', 'overwrite', 'resume', 'segment_frames'):
        del chosen[name]
    return {
        'input': str(plan.reader.path.resolve()), 'input files': digest.hexdigest(),
        'output': plan.output.name, 'model': model_id, 'precision': restorer.precision,
        'tile': str(restorer.tile), 'overlap': str(restorer.overlap),
        'clip length': str(restorer.clips.length), 'clip overlap': str(restorer.clips.overlap),
        **{name: str(value) for name, value in chosen.items()},
    }
