"""Frames of a folder of pictures."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from cdvd_mm.names import natural_key

from .frames import Frame, FrameReader, VideoInfo
from .pictures import (
    IMAGE_SUFFIXES,
    PictureFacts,
    fits_rgb,
    look_at_picture,
    profile_name,
    read_picture,
)

_FILES_OF_DESKTOPS = {'Thumbs.db', 'desktop.ini'}


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
                             f'{", ".join(IMAGE_SUFFIXES)}{_found(_other_files(path))}{hint}')
        self._facts = [look_at_picture(file) for file in self.files]
        pictures = map(read_picture, self.files, self._facts)
        first = next((picture for picture in pictures if picture is not None), None)
        if first is None:
            raise ValueError(f'none of the {len(self.files)} pictures in {path} can be read '
                             f'({self.files[0].name} ...): they are damaged or no pictures')
        stems = [file.stem for file in self.files]
        self.names = stems if len(set(stems)) == len(stems) else [
            file.name.replace('.', '_') for file in self.files]
        deep = first.image.dtype == np.uint16
        self.info = VideoInfo(
            width=first.image.shape[1], height=first.image.shape[0], time_base=1 / fps, rate=fps,
            num_frames=len(self.files), bit_depth=16 if deep else 8,
            pix_fmt='rgb48le' if deep else 'rgb24', duration=len(self.files) / fps,
            is_folder=True, alpha=any(facts.alpha for facts in self._facts),
            losses=tuple(_losses(path, self._facts)), profiles=tuple(sorted({
                profile_name(facts.profile) for facts in self._facts
                if fits_rgb(facts.profile)} - {''})))

    def frames(self, start: float | None = None) -> Iterator[Frame]:
        """Yield all pictures that can be read."""
        deep = self.info.bit_depth > 8
        for index, (file, name, facts) in enumerate(zip(self.files, self.names, self._facts)):
            picture = read_picture(file, facts)
            if picture is None:
                self.damage.append(f'{file.name} cannot be read')
                continue
            picture = picture.with_depth(deep)
            yield Frame(picture.image, index, 1, name, alpha=picture.alpha,
                        profile=facts.profile if fits_rgb(facts.profile) else b'')


def _other_files(path: Path) -> list[Path]:
    """Files that are no pictures, but for those that nobody misses."""
    return sorted(file for file in path.iterdir() if file.is_file()
                  and file.suffix.lower() not in IMAGE_SUFFIXES
                  and not file.name.startswith('.') and file.name not in _FILES_OF_DESKTOPS)


def _found(files: list[Path]) -> str:
    return f'; found {", ".join(file.name for file in files[:3])}' if files else ''


def _losses(path: Path, pictures: list[PictureFacts]) -> list[str]:
    """What of the pictures goes into no output, in words."""
    losses, others = [], _other_files(path)
    if others:
        losses.append(f'{len(others)} file(s) that are no pictures '
                      f'({", ".join(file.name for file in others[:3])}): left out')
    pages = sum(facts.num_pages > 1 for facts in pictures)
    if pages:
        losses.append(f'{pages} file(s) hold several pictures: the first of each is restored')
    profiles = sum(bool(facts.profile) and not fits_rgb(facts.profile) for facts in pictures)
    if profiles:
        losses.append(f'{profiles} colour profile(s) of grey or CMYK pictures: RGB is written')
    return losses
