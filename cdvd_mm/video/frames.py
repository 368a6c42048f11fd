"""What is read: a video's description, its frames, and which of them are wanted."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import numpy as np

from .color import ColorTags
from .side_data import HDRLevels

Reader = TypeVar('Reader', bound='FrameReader')


@dataclasses.dataclass
class VideoInfo:
    """What is known of a video before its frames are decoded.

    Args:
        width (int): Stored width (before a rotation flag is applied).
        height (int): Stored height.
        time_base (Fraction): Seconds a timestamp step.
        rate (Fraction): Frames a second (the average of a variable rate).
        num_frames (int): Number of frames, an estimate; 0 where unknown.
        sample_aspect_ratio (Fraction): Width over height of a pixel.
        display_matrix (tuple[int, ...] | None): FFmpeg's 3x3 display matrix.
        rotation (int): Counter-clockwise rotation to be shown with, in degrees.
        bit_depth (int): Bits a channel.
        pix_fmt (str): Pixel format of the stream, ``rgb24``/``rgb48le`` for folders.
        color (ColorTags): Colour description.
        duration (Fraction | None): Seconds, where the file says.
        first_pts (int): Timestamp of the first frame.
        is_folder (bool): A folder of frames.
        alpha (bool): Frames come with transparency.
        hdr (HDRLevels): What its light is meant for.
        profiles (tuple[str, ...]): Names of the pictures' ICC profiles that are not sRGB.
        losses (tuple[str, ...]): What of the pictures no output keeps, in words.
    """

    width: int
    height: int
    time_base: Fraction
    rate: Fraction
    num_frames: int = 0
    sample_aspect_ratio: Fraction = Fraction(1)
    display_matrix: tuple[int, ...] | None = None
    rotation: int = 0
    bit_depth: int = 8
    pix_fmt: str = 'rgb24'
    color: ColorTags = ColorTags()
    duration: Fraction | None = None
    first_pts: int = 0
    is_folder: bool = False
    alpha: bool = False
    hdr: HDRLevels = HDRLevels()
    profiles: tuple[str, ...] = ()
    losses: tuple[str, ...] = ()


@dataclasses.dataclass
class Frame:
    """One decoded frame.

    Args:
        image (np.ndarray | None): (h, w, 3), RGB, uint8 or uint16; None once
            nobody needs it any more.
        pts (int): Presentation time in units of the reader's time base,
            strictly increasing.
        duration (int): In the same units; 0 where unknown.
        name (str): File name without suffix (folders) or ''.
        wanted (bool): False for frames that only serve as neighbours.
        cut (bool): A scene cut lies between the previous frame and this one.
        alpha (np.ndarray | None): Transparency (h, w), of the image's type; it is not restored.
        profile (bytes): The picture's ICC profile; empty without one.
    """

    image: np.ndarray | None
    pts: int
    duration: int = 0
    name: str = ''
    wanted: bool = True
    cut: bool = False
    alpha: np.ndarray | None = None
    profile: bytes = b''


class FrameReader:
    """Common part of the two readers.

    Attributes:
        info (VideoInfo): What is known before frames are decoded.
        path (Path): The input.
        files (list[Path]): What is read: the video file, or the pictures.
        names (list[str]): Names of the frames; empty where they have none.
        damage (list[str]): After iteration, what could not be decoded; empty
            if the input was whole.
    """

    info: VideoInfo

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files = [path]
        self.names: list[str] = []
        self.damage: list[str] = []

    def frames(self, start: float | None = None) -> Iterator[Frame]:
        """Yield frames in order, from shortly before ``start`` seconds on."""
        raise NotImplementedError

    def close(self) -> None:
        """Release the file."""

    def __enter__(self: Reader) -> Reader:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self.close()


def select_frames(frames: Iterable[Frame], info: VideoInfo, start: float | None = None,
                  end: float | None = None, skip: int = 0, context: int = 2) -> Iterator[Frame]:
    """Keep what lies in [start, end) and what its restoration needs.

    Args:
        frames (Iterable[Frame]): All frames, in order.
        info (VideoInfo): Time base and first timestamp.
        start (float, optional): First time wanted, in seconds after the first frame.
        end (float, optional): First time not wanted any more.
        skip (int): Wanted frames that are already done (a resumed run).
        context (int): Neighbours needed on either side; they come with
            ``wanted=False``.

    Yields:
        Frame: Frames in order, each marked wanted or not.
    """
    first, last = (None if t is None else Fraction(t).limit_denominator(1000000)
                   for t in (start, end))
    before: collections.deque[Frame] = collections.deque(maxlen=context)
    seen, after = 0, 0
    for frame in frames:
        time = (frame.pts - info.first_pts) * info.time_base
        if last is not None and time >= last:
            if seen <= skip or after == context:
                return
            after += 1
            yield dataclasses.replace(frame, wanted=False)
            continue
        early = first is not None and time < first
        seen += not early
        if early or seen <= skip:
            before.append(frame)
            continue
        while before:
            yield dataclasses.replace(before.popleft(), wanted=False)
        yield frame
