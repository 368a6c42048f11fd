"""Restores a video: checks, the run, its report."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path

from cdvd_mm.inference.frame_restorer import FrameRestorer
from cdvd_mm.video.reader import IMAGE_SUFFIXES, FrameReader, open_reader
from cdvd_mm.video.writer import CONTAINERS

from .options import DeblurOptions
from .parts import Parts
from .pipeline import Pipeline
from .sinks import make_sink


@dataclasses.dataclass(frozen=True)
class DeblurReport:
    """What came of it.

    Args:
        output (Path): The finished file or folder.
        num_frames (int): Frames in it.
        num_resumed (int): Those of them that an earlier run had made.
        seconds (float): How long this run took.
        damage (list[str]): What could not be decoded; empty for a whole input.
    """

    output: Path
    num_frames: int
    num_resumed: int
    seconds: float
    damage: list


def deblur_video(restorer: FrameRestorer, source: str | Path, output: str | Path,
                 options: DeblurOptions | None = None, model_id: str = '',
                 on_frame: Callable[[int, int], None] | None = None) -> DeblurReport:
    """Restore a video file or a folder of frames.

    While it runs, the result grows in ``OUTPUT.parts`` beside the output,
    which takes its name when all is done. After an interruption, calling it
    again goes on from there.

    Args:
        restorer (FrameRestorer): The network.
        source (str | Path): mp4, mov, mkv, webm, gif ... or a folder of pictures.
        output (str | Path): mp4, mov, mkv, webm or gif, or, without a suffix,
            a folder for PNG files.
        options (DeblurOptions, optional): What else to do.
        model_id (str): Tells models apart, so that no run is resumed with another one.
        on_frame (Callable, optional): Called with the number of frames done
            and expected (0: unknown).

    Returns:
        DeblurReport: Look at its ``damage``.

    Raises:
        FileNotFoundError: No such input.
        ValueError: Not a video, no frames, an output that exists or cannot be
            of this kind, parts of a run with other settings.
        OSError: The output cannot be written.
    """
    options = options or DeblurOptions()
    source, output = Path(source), Path(output)
    _check_paths(source, output, options)
    started = time.perf_counter()
    with open_reader(source, options.fps) as reader, \
            Parts(output, _settings(source, output, options, restorer, model_id),
                   options.resume) as parts:
        sink = make_sink(reader, output, parts, options)
        done = sink.num_done
        if not parts.complete:
            Pipeline(reader, restorer, sink, options, on_frame).run()
            if sink.num_done == 0:
                parts.remove()
                raise ValueError(_nothing_found(source, options, reader))
            parts.mark_complete(reader.damage)
        sink.publish()
        parts.remove()
        return DeblurReport(output, sink.num_done, done, time.perf_counter() - started,
                            parts.damage)


def _nothing_found(source: Path, options: DeblurOptions, reader: FrameReader) -> str:
    if options.start is not None or options.end is not None:
        return (f'no frames of {source} lie between {options.start or 0} s and '
                f'{"its end" if options.end is None else f"{options.end} s"}')
    return f'no frames of {source} could be decoded: {"; ".join(reader.damage) or "it has none"}'


def _check_paths(source: Path, output: Path, options: DeblurOptions) -> None:
    if not source.exists():
        raise FileNotFoundError(f'no such input: {source}')
    if source.resolve() == output.resolve() or (output.exists() and source.samefile(output)):
        raise ValueError(f'input and output are the same: {source}')
    if output.suffix.lower() in IMAGE_SUFFIXES:
        raise ValueError(f'{output} names one picture: give a folder (a name without a suffix) '
                         f'for frames, or a name ending in {", ".join(CONTAINERS)}')
    if output.is_dir():
        if output.suffix.lower() in CONTAINERS:
            raise ValueError(f'{output} is a folder: a video needs another name')
        if any(output.iterdir()) and not options.overwrite:
            raise ValueError(f'the folder {output} is not empty: choose another one, or pass '
                             '--overwrite to replace it')
    elif output.exists() and not options.overwrite:
        raise ValueError(f'{output} exists: choose another name, or pass --overwrite')
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f'cannot write {output}: {error.strerror} ({error.filename})') from error
    if not os.access(output.parent, os.W_OK):
        raise OSError(f'cannot write {output}: no permission to write into {output.parent}')


def _settings(source: Path, output: Path, options: DeblurOptions, restorer: FrameRestorer,
              model_id: str) -> dict:
    """All that the frames depend on; a run is resumed only where it is unchanged."""
    files = sorted(source.iterdir()) if source.is_dir() else [source]
    digest = hashlib.sha256()
    for file in files:
        stat = file.stat()
        digest.update(f'{file.name}:{stat.st_size}:{stat.st_mtime_ns};'.encode())
    chosen = dataclasses.asdict(options)
    for name in ('overwrite', 'resume', 'segment_frames'):
        del chosen[name]
    return {
        'input': str(source.resolve()), 'input files': digest.hexdigest(),
        'output': output.name, 'model': model_id, 'precision': restorer.precision,
        'tile': str(restorer.tile), 'overlap': restorer.overlap,
        **{name: str(value) for name, value in chosen.items()},
    }
