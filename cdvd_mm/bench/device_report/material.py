"""Frames to measure with: a photograph that moves, sharp and blurred along its way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from cdvd_mm.datasets.frame_files import write_frame

_REACH = 4  # pixels on either side that a blurred frame is a mean of
_GAMMA = 2.2


def _photograph(width: int, height: int) -> np.ndarray:
    """(height, width, 3), RGB, uint8: one of scikit-image's, or noise of all sizes without it."""
    picture = None
    try:
        import skimage
        picture = cv2.imread(str(Path(skimage.__file__).parent / 'data/coffee.png'))
    except ImportError:
        pass
    if picture is None:
        rng = np.random.default_rng(0)
        octaves = [cv2.resize(rng.random((4 * 2**k, 4 * 2**k, 3), np.float32), (512, 512)) / 2**k
                   for k in range(7)]
        picture = (np.clip(sum(octaves[1:], octaves[0]) / 2, 0, 1) * 255).astype(np.uint8)
    return cv2.resize(picture[..., ::-1], (width, height), interpolation=cv2.INTER_CUBIC)


def moving_frames(width: int, height: int, number: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Make blurred frames and their sharp ones: 3 pixels right and 1 down a frame.

    Args:
        width (int): Of the frames.
        height (int): Of the frames.
        number (int): How many.

    Yields:
        tuple[np.ndarray, np.ndarray]: Blurred and sharp, (h, w, 3), RGB, uint8; blurred is the
        mean, in linear light, of the sharp frame at nine places along its way.
    """
    margin = 2 * _REACH
    picture = _photograph(width + 3 * number + margin, height + number + margin)
    light = (picture.astype(np.float32) / 255)**_GAMMA
    for k in range(number):
        x, y = _REACH + 3 * k, _REACH + k
        mean = sum((light[y:y + height, x + step:x + step + width]
                    for step in range(-_REACH, _REACH + 1)), np.float32(0)) / (2 * _REACH + 1)
        blurred = np.round(255 * np.asarray(mean)**(1 / _GAMMA)).astype(np.uint8)
        yield blurred, np.ascontiguousarray(picture[y:y + height, x:x + width])


def write_pairs(root: Path, side: int, videos: int = 4, number: int = 8) -> Path:
    """Write videos of blurred and sharp frames in GOPRO's folders, train and test alike."""
    for video in range(videos):
        split = 'train' if video else 'test'
        for index, frames in enumerate(moving_frames(side, side, number)):
            for kind, frame in zip(('blur', 'sharp'), frames):
                path = root / split / f'video{video}' / kind / f'{index:06d}.png'
                path.parent.mkdir(parents=True, exist_ok=True)
                write_frame(str(path), frame)
    return root


def write_video(path: Path, frames: Iterable[np.ndarray], rate: int = 30) -> Path:
    """Write frames (h, w, 3), RGB, uint8, as an mp4 file."""
    codec = 'libx264' if 'libx264' in av.codecs_available else 'mpeg4'
    with av.open(str(path), 'w') as container:
        stream = None
        for index, frame in enumerate(frames):
            if stream is None:
                stream = container.add_stream(codec, rate=Fraction(rate))
                stream.height, stream.width = frame.shape[:2]
                stream.pix_fmt = 'yuv420p'
            picture = av.VideoFrame.from_ndarray(frame, format='rgb24')
            picture.pts = index
            container.mux(stream.encode(picture))
        if stream is not None:
            container.mux(stream.encode(None))
    return path


def read_video(path: str, number: int) -> list[np.ndarray]:
    """The first frames of a film, (h, w, 3), RGB, uint8."""
    frames: list[np.ndarray] = []
    with av.open(path) as container:
        for picture in container.decode(video=0):
            frames.append(picture.to_ndarray(format='rgb24'))
            if len(frames) == number:
                break
    return frames
