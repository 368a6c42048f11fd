"""What a browser can show: small films of before and after, pictures of what the network saw."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, cast

import av
import cv2
import numpy as np

from cdvd_mm.video.frames import Frame, FrameReader, VideoInfo, select_frames
from cdvd_mm.video.orientation import upright
from cdvd_mm.video.reader import open_reader

if TYPE_CHECKING:
    from cdvd_mm.inference.frame_restorer import FrameRestorer

_LONGEST_SIDE = 1280
_CLOCK = 90000  # steps a second
# key frames lie close, so that steps are quick
_ENCODER = {'crf': '17', 'preset': 'veryfast', 'g': '12', 'bf': '0'}


def write_view(source: Path, target: Path, fps: float, start: float | None = None,
               end: float | None = None) -> None:
    """Write what every browser plays: H.264, upright, from time 0 on.

    Args:
        source (Path): A video, or a folder of pictures.
        target (Path): The mp4 file to write.
        fps (float): Pictures a second of a folder.
        start (float, optional): First time to be shown.
        end (float, optional): First time not to be shown any more.
    """
    with open_reader(source, fps) as reader:
        info = reader.info
        wanted = select_frames(reader.frames(start), info, start, end, context=0)
        frames = _of_one_size((frame for frame in wanted if frame.wanted), info)
        with av.open(str(target), 'w', options={'movflags': 'faststart'}) as container:
            stream = cast(av.VideoStream, container.add_stream(
                'libx264', rate=info.rate.limit_denominator(1001), options=_ENCODER))
            stream.pix_fmt = 'yuv420p'
            stream.time_base = stream.codec_context.time_base = Fraction(1, _CLOCK)
            begin, last = None, -1
            for pts, image in frames:
                begin = pts if begin is None else begin
                if last < 0:
                    stream.height, stream.width = image.shape[:2]
                frame = av.VideoFrame.from_ndarray(image, 'rgb24')
                last = frame.pts = max(last + 1, round((pts - begin) * info.time_base * _CLOCK))
                frame.time_base = Fraction(1, _CLOCK)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))


def _of_one_size(frames: Iterator[Frame], info: VideoInfo) -> Iterator[tuple[int, np.ndarray]]:
    """Times and pictures (h, w, 3), uint8, upright, with sides that are even."""
    size = None
    for frame in frames:
        assert frame.image is not None
        image = viewed(frame.image, info)
        if size is None:
            size = (max(2, image.shape[1] // 2 * 2), max(2, image.shape[0] // 2 * 2))
        if image.shape[1::-1] != size:
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        yield frame.pts, np.ascontiguousarray(image)


def viewed(image: np.ndarray, info: VideoInfo) -> np.ndarray:
    """A stored picture as it is viewed: upright, square pixels, 8 bit, not too large."""
    if image.dtype == np.uint16:
        image = (image >> 8).astype(np.uint8)
    height, width = image.shape[0], image.shape[1] * float(info.sample_aspect_ratio)
    scale = min(1., _LONGEST_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    if size != image.shape[1::-1]:
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return upright(image, info.display_matrix)


def write_overlays(restorer: FrameRestorer, source: Path, fps: float, seconds: float,
                   folder: Path) -> list[str]:
    """Draw prior and flow of the frame at a time: ``prior.png`` and ``flow.png`` in a folder.

    Args:
        restorer (FrameRestorer): What feeds the network.
        source (Path): The upload.
        fps (float): Pictures a second of a folder.
        seconds (float): The time.
        folder (Path): Where the pictures go.

    Returns:
        list[str]: Names of those that there are.

    Raises:
        ValueError: The network has neither, or there is no frame at that time.
    """
    from cdvd_mm.inference.details import frame_details
    with open_reader(source, fps) as reader:
        info = reader.info
        window, middle = _window(reader, seconds)
    sharpness, flow = frame_details(restorer, window, middle)
    pictures = {}
    if sharpness is not None:
        heat = cv2.applyColorMap((255 * sharpness).astype(np.uint8), cv2.COLORMAP_INFERNO)
        pictures['prior.png'] = heat[..., ::-1]
    if flow is not None:
        pictures['flow.png'] = flow_colours(flow)
    for name, picture in pictures.items():
        cv2.imwrite(str(folder / name), viewed(picture, info)[..., ::-1])
    return list(pictures)


def _window(reader: FrameReader, seconds: float) -> tuple[list[np.ndarray], int]:
    """The frame at a time between its neighbours, and which of the three it is."""
    start = max(0., seconds - 0.5 / float(reader.info.rate))
    found: list[np.ndarray | None] = []
    middle = None
    frames = select_frames(reader.frames(start), reader.info, start, context=1)
    for frame in frames:
        if middle is None and frame.wanted:
            middle = len(found)
        found.append(frame.image)
        if middle is not None and len(found) > middle + 1:
            break
    if middle is None:
        raise ValueError(f'{reader.path} has no frame at {seconds:.2f} s')
    return cast(list[np.ndarray], found), middle


def flow_colours(flow: np.ndarray) -> np.ndarray:
    """Draw flow (h, w, 2) in pixels: the colour is the direction, its strength the length."""
    length = np.hypot(flow[..., 0], flow[..., 1])
    angle = np.degrees(np.arctan2(flow[..., 1], flow[..., 0])) % 360 / 2
    strength = 255 * np.clip(length / max(float(np.quantile(length, 0.99)), 1.), 0, 1)
    hsv = np.stack((angle, strength, np.full_like(angle, 255)), -1).round().astype(np.uint8)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
