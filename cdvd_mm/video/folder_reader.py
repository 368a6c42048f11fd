"""Frames of a folder of pictures."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from cdvd_mm.names import natural_key

from .frames import Frame, FrameReader, VideoInfo

IMAGE_SUFFIXES = ('.png', '.jpg', '.jpeg', '.bmp', '.tif', '.tiff', '.webp')


class FolderReader(FrameReader):
    """Reads the pictures of a folder in natural order (frame2 before frame10).

    Args:
        path (Path): The folder.
        fps (Fraction): Frames a second to give them.
    """

    def __init__(self, path: Path, fps: Fraction) -> None:
        super().__init__(path)
        self.files = sorted(
            (p for p in path.iterdir()
             if p.suffix.lower() in IMAGE_SUFFIXES and not p.name.startswith('.')
             and p.is_file()), key=lambda p: natural_key(p.stem))
        if not self.files:
            inner = sorted(p.name for p in path.iterdir() if p.is_dir())
            hint = f'; it holds folders ({", ".join(inner[:3])}): give one of them' if inner else ''
            raise ValueError(f'no frames in the folder {path}: expected files ending in '
                             f'{", ".join(IMAGE_SUFFIXES)}{hint}')
        first = None
        for file in self.files:
            first = self._read(file)
            if first is not None:
                break
        if first is None:
            raise ValueError(f'none of the {len(self.files)} pictures in {path} can be read '
                             f'({self.files[0].name} ...): they are damaged or no pictures')
        stems = [file.stem for file in self.files]
        self.names = stems if len(set(stems)) == len(stems) else [
            file.name.replace('.', '_') for file in self.files]
        deep = first.dtype == np.uint16
        self.info = VideoInfo(
            width=first.shape[1], height=first.shape[0], time_base=1 / fps, rate=fps,
            num_frames=len(self.files), bit_depth=16 if deep else 8,
            pix_fmt='rgb48le' if deep else 'rgb24', duration=len(self.files) / fps,
            is_folder=True)

    @staticmethod
    def _read(file: Path) -> np.ndarray | None:
        data = np.fromfile(file, np.uint8)
        if data.size == 0:
            return None
        try:
            image = cv2.imdecode(data, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
        except cv2.error:
            return None
        if image is None or image.dtype not in (np.uint8, np.uint16):
            return None
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)

    def frames(self, start: float | None = None) -> Iterator[Frame]:
        """Yield all pictures that can be read."""
        deep = self.info.bit_depth > 8
        for index, (file, name) in enumerate(zip(self.files, self.names)):
            image = self._read(file)
            if image is None:
                self.damage.append(f'{file.name} cannot be read')
                continue
            if deep and image.dtype == np.uint8:
                image = image.astype(np.uint16) * 257
            elif not deep and image.dtype == np.uint16:
                image = (image // 257).astype(np.uint8)
            yield Frame(image, index, 1, name)
