"""Everything that can be refused before the first frame is computed."""

from __future__ import annotations

import dataclasses
import logging
import os
import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from mmengine.logging import print_log

from cdvd_mm.video.carry import left_behind, plan_carry
from cdvd_mm.video.encoding import CONTAINERS, EncodeSpec, plan_encoding
from cdvd_mm.video.frames import FrameReader, VideoInfo
from cdvd_mm.video.orientation import (
    Matrix,
    can_store_rotation,
    is_transposed,
    side_by_side,
    upright,
)
from cdvd_mm.video.others import Carry
from cdvd_mm.video.pictures import IMAGE_SUFFIXES

from .options import DeblurOptions

# What a name ends in that is a file's; 'frames_1.5x' is a folder's name.
_FILE_SUFFIX = re.compile(r'\.([a-z][a-z0-9]{0,4}|3gp|3g2)', re.IGNORECASE)
# What file managers leave in any folder.
_DESKTOP_FILES = {'Thumbs.db', 'desktop.ini'}
_FOR_VIDEOS = ('codec', 'quality', 'codec_options')


@dataclasses.dataclass(frozen=True)
class Arrangement:
    """How pictures stand in the output.

    Args:
        matrix (tuple[int, ...] | None): The source's display matrix.
        compare (bool): Blurred and restored side by side.
        turn (bool): Turn pictures upright; otherwise the file carries the flag.
    """

    matrix: Matrix
    compare: bool
    turn: bool

    def __call__(self, blurred: np.ndarray | None, image: np.ndarray) -> np.ndarray:
        """Arrange a restored picture, (h, w, 3 or 4), as it is written."""
        if self.compare:
            assert blurred is not None
            image = side_by_side(blurred, image, self.matrix)
        return upright(image, self.matrix) if self.turn else image


@dataclasses.dataclass(frozen=True)
class Plan:
    """A video or folder to be restored, after all checks.

    Args:
        reader (FrameReader): The input.
        output (Path): The output.
        options (DeblurOptions): What is written.
        arrangement (Arrangement): How pictures stand in it.
        encoding (EncodeSpec | None): How they are encoded; None for a folder of PNG files.
        carry (Carry | None): What goes over from the input's file beside its pictures.
    """

    reader: FrameReader
    output: Path
    options: DeblurOptions
    arrangement: Arrangement
    encoding: EncodeSpec | None
    carry: Carry | None = None


def make_plan(reader: FrameReader, output: str | Path,
              options: DeblurOptions | None = None) -> Plan:
    """Look at input, output and options; nothing is left behind.

    Args:
        reader (FrameReader): The input, from :func:`~cdvd_mm.video.open_reader`.
        output (str | Path): mp4, mov, mkv, webm or gif, or, without a suffix, a folder for PNG
            files.
        options (DeblurOptions, optional): What else to do.

    Returns:
        Plan: For :func:`~cdvd_mm.deblur.job.run_job`.

    Raises:
        ValueError: An output that exists or cannot be of this kind, settings that the encoder
            or the container refuses, or, with ``strict``, a loss.
        OSError: The output cannot be written.
    """
    options, output = options or DeblurOptions(), Path(output)
    _check_paths(reader, output, options)
    if is_folder_output(output):
        unused = [name for name in _FOR_VIDEOS if getattr(options, name) is not None]
        if unused:
            raise ValueError(f'{", ".join(unused)}: only for a video, but {output} is a folder of '
                             'PNG files')
        behind = [] if reader.info.is_folder else left_behind(reader.path)
        _tell(output, [*reader.info.losses, *behind], options.strict)
        _make_parent(output)
        return Plan(reader, output, options,
                    Arrangement(reader.info.display_matrix, options.compare, True), None)
    arrangement, encoding = _plan_video(reader.info, output, options)
    carry = _plan_carry(reader, encoding, options)
    losses = encoding.losses if carry is None else (*encoding.losses, *carry.losses)
    _tell(output, losses, options.strict)
    _make_parent(output)
    return Plan(reader, output, options, arrangement, encoding, carry)


def is_folder_output(output: Path) -> bool:
    """Whether an output is a folder of frames: it is one, or its name has no suffix of a file."""
    return output.is_dir() or not _FILE_SUFFIX.fullmatch(output.suffix)


def foreign_files(output: Path, own: set[str]) -> list[str]:
    """What lies in a folder beside a run's own frames and what file managers leave."""
    return sorted(path.name for path in output.iterdir() if path.name not in own | _DESKTOP_FILES
                  and not path.name.startswith('.'))


def _check_paths(reader: FrameReader, output: Path, options: DeblurOptions) -> None:
    source = reader.path
    if output.name == '-' or (output.exists() and not output.is_file() and not output.is_dir()):
        raise ValueError(f'{output} is no file: a video is put together at its end, which a pipe '
                         'or device cannot; give the name of a file')
    if source.resolve() == output.resolve() or (output.exists() and source.samefile(output)):
        raise ValueError(f'input and output are the same: {source}')
    if output.suffix.lower() in IMAGE_SUFFIXES:
        raise ValueError(f'{output} names one picture: give a folder (a name without a suffix) '
                         f'for frames, or a name ending in {", ".join(CONTAINERS)}')
    if output.is_dir():
        _check_folder(reader, output, options)
    elif output.exists() and not options.overwrite:
        raise ValueError(f'{output} exists: choose another name, or pass --overwrite')


def _make_parent(output: Path) -> None:
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f'cannot write {output}: {error.strerror} ({error.filename})') from error
    if not os.access(output.parent, os.W_OK):
        raise OSError(f'cannot write {output}: no permission to write into {output.parent}')


def _check_folder(reader: FrameReader, output: Path, options: DeblurOptions) -> None:
    """An existing folder is written into where nothing but a run's own frames lie in it."""
    if output.suffix.lower() in CONTAINERS:
        raise ValueError(f'{output} is a folder: a video needs another name')
    if output.resolve() in reader.path.resolve().parents:
        raise ValueError(f'the input {reader.path} lies in the output {output}: choose another '
                         'folder')
    if not foreign_files(output, set()):
        return
    if not options.overwrite:
        raise ValueError(f'the folder {output} is not empty: choose another one, or pass '
                         '--overwrite to replace the frames in it')
    foreign = foreign_files(output, set(_frame_names(reader)))
    if foreign:
        raise ValueError(f'--overwrite replaces frames of the same names alone, but {output} holds '
                         f'{len(foreign)} other(s) ({", ".join(foreign[:3])}): choose another '
                         'folder')


def _frame_names(reader: FrameReader) -> Iterator[str]:
    """Names of the PNG files that a run can write."""
    names = reader.names or (f'{index:08d}' for index in range(reader.info.num_frames or 10**6))
    yield from (f'{name}.png' for name in names)


def _plan_video(info: VideoInfo, output: Path,
                options: DeblurOptions) -> tuple[Arrangement, EncodeSpec]:
    matrix = info.display_matrix
    turn = matrix is not None and not can_store_rotation(CONTAINERS.get(output.suffix.lower(), ''))
    arrangement = Arrangement(matrix, options.compare, turn)
    picture = np.zeros((info.height, info.width, 3), np.uint8)
    height, width = arrangement(picture, picture).shape[:2]
    if turn and is_transposed(matrix):
        info = dataclasses.replace(info, sample_aspect_ratio=1 / info.sample_aspect_ratio)
    return arrangement, plan_encoding(info, output, (width, height), options.codec,
                                      options.quality, options.codec_options)


def _plan_carry(reader: FrameReader, encoding: EncodeSpec,
                options: DeblurOptions) -> Carry | None:
    """Try encoder and container, and what the input carries."""
    info = reader.info
    begin = info.first_pts * info.time_base
    offset, end = (None if time is None else begin + Fraction(time).limit_denominator(1000000)
                   for time in (options.start, options.end))
    return plan_carry(encoding, None if info.is_folder else reader.path,
                      offset or Fraction(0), end)


def _tell(output: Path, losses: Sequence[str], strict: bool) -> None:
    """Say in one list what gets lost or changed, before the first frame is computed."""
    if not losses:
        return
    found = '\n'.join((f'not all of the input goes into {output} as it is:',
                       *(f'  - {loss}' for loss in losses)))
    if strict:
        raise ValueError(f'{found}\nchoose another output, or leave out --strict')
    print_log(found, 'current', logging.WARNING)
