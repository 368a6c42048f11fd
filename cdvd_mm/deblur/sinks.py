"""Where restored frames go: a folder of PNG files, or a video."""

from __future__ import annotations

import contextlib
import os
from fractions import Fraction
from typing import Protocol

import cv2
import numpy as np
from mmengine.logging import print_log

from cdvd_mm.datasets.frame_files import write_frame
from cdvd_mm.files import remove_partial_files
from cdvd_mm.video.carry import check_output
from cdvd_mm.video.container import write_container
from cdvd_mm.video.encoder import SegmentEncoder
from cdvd_mm.video.frames import Frame
from cdvd_mm.video.segments import SegmentStore, SegmentWriter, read_footer, read_segment

from .parts import Parts
from .plan import Plan, foreign_files


class Sink(Protocol):
    """Takes restored frames in order.

    Attributes:
        num_done (int): Frames written, by earlier runs as well.
        problems (list[str]): Once published, what in it is not as it should be.
    """

    num_done: int
    problems: list[str]

    def write(self, frame: Frame, image: np.ndarray) -> None:
        """Take a frame and what was made of it, (h, w, 3), RGB, uint8 or uint16."""

    def close(self) -> None:
        """All frames were written."""

    def abort(self) -> None:
        """Give up what is not whole (the disk is full, say)."""

    def publish(self) -> None:
        """Give the finished output its name."""


def _with_alpha(image: np.ndarray, alpha: np.ndarray | None) -> np.ndarray:
    """A picture (h, w, 3) with its transparency (h, w) as the fourth channel."""
    return image if alpha is None else np.dstack((image, alpha))


class FolderSink:
    """Writes PNG files; the folder gets its name at the end."""

    def __init__(self, plan: Plan, parts: Parts) -> None:
        self._output = plan.output
        self._folder = parts.frames
        self._folder.mkdir(exist_ok=True)
        remove_partial_files(self._folder)
        self._arrange = plan.arrangement
        self.problems: list[str] = []
        self.num_done = sum(1 for _ in self._folder.glob('*.png'))

    def write(self, frame: Frame, image: np.ndarray) -> None:
        """Write a restored picture, complete or not at all."""
        name = frame.name or f'{self.num_done:08d}'
        blurred = None if frame.image is None else _with_alpha(frame.image, frame.alpha)
        picture = self._arrange(blurred, _with_alpha(image, frame.alpha))
        write_frame(str(self._folder / f'{name}.png'), np.ascontiguousarray(picture),
                    frame.profile)
        self.num_done += 1

    def close(self) -> None:
        """Nothing is open between pictures."""

    abort = close

    def publish(self) -> None:
        """Give the folder its name; in one that is there, frames of the same names are replaced.

        Raises:
            ValueError: Something else has come to lie in it.
        """
        if not self._output.exists():
            os.replace(self._folder, self._output)
            return
        frames = sorted(self._folder.glob('*.png'))
        foreign = foreign_files(self._output, {path.name for path in frames})
        if foreign:
            raise ValueError(f'{self._output} holds {len(foreign)} file(s) that this run did not '
                             f'write ({", ".join(foreign[:3])}): move them away')
        for path in frames:
            os.replace(path, self._output / path.name)


class VideoSink:
    """Encodes segments; they become a file at the end."""

    def __init__(self, plan: Plan, parts: Parts) -> None:
        assert plan.encoding is not None
        info = plan.reader.info
        self._plan = plan
        self._spec = plan.encoding
        self._folder = parts.folder
        self._size = (info.height, info.width)
        self._scale = info.time_base / self._spec.time_base
        self._store = SegmentStore(self._folder)
        self._store.drop_leftovers()
        self.num_done = self._store.num_frames()
        self._last_pts = -(1 << 62)
        for path in self._store.paths()[-1:]:
            self._last_pts = max(p.pts for p in read_segment(path, with_data=False))
        self.problems: list[str] = []
        self._encoder: SegmentEncoder | None = None
        self._warned = False

    def _fit(self, image: np.ndarray) -> np.ndarray:
        if image.shape[:2] == self._size:
            return image
        if not self._warned:
            self._warned = True
            print_log(f'the size changes from {self._size[1]}x{self._size[0]} to '
                      f'{image.shape[1]}x{image.shape[0]}: a file has one size, so frames are '
                      'scaled to the first one (a folder of frames keeps them as they are)',
                      'current', 30)
        return cv2.resize(image, self._size[::-1], interpolation=cv2.INTER_CUBIC)

    def write(self, frame: Frame, image: np.ndarray) -> None:
        """Encode a restored picture."""
        if self._encoder is None:
            self._encoder = SegmentEncoder(self._spec,
                                           SegmentWriter(self._folder, self.num_done))
        alpha = frame.alpha if self._spec.alpha else None
        image = self._fit(_with_alpha(image, alpha))
        blurred = None if frame.image is None else self._fit(_with_alpha(frame.image, alpha))
        pts = max(round(frame.pts * self._scale), self._last_pts + 1)
        self._last_pts = pts
        self._encoder.encode(self._plan.arrangement(blurred, image), pts,
                             round(frame.duration * self._scale))
        self.num_done += 1
        if self._encoder.count >= self._plan.options.segment_frames:
            self.close()

    def close(self) -> None:
        """Finish the segment in progress."""
        encoder, self._encoder = self._encoder, None
        if encoder is not None:
            encoder.finish()

    def abort(self) -> None:
        """Drop the segment in progress."""
        encoder, self._encoder = self._encoder, None
        if encoder is not None:
            self.num_done -= encoder.count
            with contextlib.suppress(OSError):
                encoder.writer.discard()

    def publish(self) -> None:
        """Join the segments to the file."""
        plan, segments = self._plan, self._store.paths()
        offset, end = Fraction(0), None
        if plan.options.start:
            first = min(p.pts for p in read_segment(segments[0], with_data=False))
            offset = first * self._spec.time_base
        if plan.options.end is not None:
            duration = read_footer(segments[-1]).last_duration * self._spec.time_base
            end = self._last_pts * self._spec.time_base + (duration or 1 / self._spec.rate)
        joined = self._folder / f'joined{plan.output.suffix}'
        found = write_container(joined, self._spec, segments, plan.carry, offset, end)
        self.problems = check_output(joined, self._spec, segments, plan.carry, found, offset, end)
        os.replace(joined, plan.output)


def make_sink(plan: Plan, parts: Parts) -> Sink:
    """The sink that suits an output."""
    return FolderSink(plan, parts) if plan.encoding is None else VideoSink(plan, parts)
