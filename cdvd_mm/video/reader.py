"""Frames of a video file or of a folder, one after the other."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from .file_reader import VideoReader
from .folder_reader import FolderReader
from .frames import FrameReader


def open_reader(path: str | Path, fps: float | Fraction | None = None,
                deinterlace: bool = False) -> FrameReader:
    """Open a video file or a folder of frames.

    Args:
        path (str | Path): The input.
        fps (float | Fraction, optional): Frames a second of a folder. Default: 30.
        deinterlace (bool): Make whole frames of the fields of a file.

    Returns:
        FrameReader: Reader with ``info`` filled in.

    Raises:
        FileNotFoundError: Nothing at ``path``.
        ValueError: Not a video, no frames, nothing decodable.
    """
    path = Path(path)
    if not path.exists():
        hint = ': a video is read twice, which a pipe cannot; give the name of a file' \
            if str(path) == '-' else ''
        raise FileNotFoundError(f'no such input: {path}{hint}')
    if path.is_dir():
        if deinterlace:
            raise ValueError(f'{path} is a folder: --deinterlace is for video files')
        return FolderReader(path, Fraction(fps).limit_denominator(100000) if fps else Fraction(30))
    if not path.is_file():
        raise ValueError(f'{path} is a pipe or a device: a video is read twice; give the name of '
                         'a file')
    if path.stat().st_size == 0:
        raise ValueError(f'{path} is empty (0 bytes): expected a video')
    return VideoReader(path, deinterlace)
