"""Where restored frames go: a folder of PNG files, or a video."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from mmengine.logging import print_log

from cdvd_mm.datasets.frame_files import write_frame
from cdvd_mm.files import remove_partial_files
from cdvd_mm.video.orientation import can_store_rotation, is_transposed, side_by_side, upright
from cdvd_mm.video.reader import Frame, FrameReader
from cdvd_mm.video.segments import SegmentStore, SegmentWriter, read_footer, read_segment
from cdvd_mm.video.writer import (
    CONTAINERS,
    EncodeSpec,
    SegmentEncoder,
    plan_encoding,
    write_container,
)

from .options import DeblurOptions
from .parts import Parts


def is_folder_output(output: Path) -> bool:
    """Whether an output is a folder of frames: it has no suffix, or is a folder already."""
    return output.is_dir() or not output.suffix


class FolderSink:
    """Writes PNG files; the folder gets its name at the end."""

    def __init__(self, output: Path, parts: Parts, reader: FrameReader,
                 options: DeblurOptions) -> None:
        self._output = output
        self._folder = parts.folder / 'frames'
        self._folder.mkdir(exist_ok=True)
        remove_partial_files(self._folder)
        self._matrix = reader.info.display_matrix
        self._compare = options.compare
        self.num_done = sum(1 for _ in self._folder.glob('*.png'))

    def write(self, frame: Frame, image: np.ndarray) -> None:
        """Write a restored picture, complete or not at all."""
        if self._compare:
            image = side_by_side(frame.image, image, self._matrix)
        image = upright(image, self._matrix)
        name = frame.name or f'{self.num_done:08d}'
        write_frame(str(self._folder / f'{name}.png'), np.ascontiguousarray(image))
        self.num_done += 1

    def close(self) -> None:
        """Nothing is open between pictures."""

    abort = close

    def publish(self) -> None:
        """Give the folder its name."""
        if self._output.exists():
            os.replace(self._output, self._folder.with_name('replaced'))
        os.replace(self._folder, self._output)


class VideoSink:
    """Encodes segments; they become a file at the end."""

    def __init__(self, output: Path, parts: Parts, reader: FrameReader,
                 options: DeblurOptions) -> None:
        info = reader.info
        self._output = output
        self._folder = parts.folder
        self._source = None if info.is_folder else reader.path
        self._options = options
        self._matrix = info.display_matrix
        container = CONTAINERS.get(output.suffix.lower(), '')
        self._turn = self._matrix is not None and not can_store_rotation(container)
        self._size = (info.height, info.width)
        height, width = self._arrange(np.zeros((*self._size, 3), np.uint8),
                                      np.zeros((*self._size, 3), np.uint8)).shape[:2]
        if self._turn and is_transposed(self._matrix):
            info = dataclasses.replace(info, sample_aspect_ratio=1 / info.sample_aspect_ratio)
        self._spec: EncodeSpec = plan_encoding(info, output, (width, height), options.codec,
                                               options.quality, options.codec_options)
        self._scale = info.time_base / self._spec.time_base
        self._store = SegmentStore(self._folder)
        self._store.drop_leftovers()
        self.num_done = self._store.num_frames()
        self._last_pts = -(1 << 62)
        for path in self._store.paths()[-1:]:
            self._last_pts = max(p.pts for p in read_segment(path, with_data=False))
        self._encoder: SegmentEncoder | None = None
        self._warned = False
        # settings that the encoder refuses are to be told before the work begins
        SegmentEncoder(self._spec, SegmentWriter(self._folder, 0)).writer.discard()

    def _arrange(self, blurred: np.ndarray, image: np.ndarray) -> np.ndarray:
        if self._options.compare:
            image = side_by_side(blurred, image, self._matrix)
        return upright(image, self._matrix) if self._turn else image

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
        blurred = self._fit(frame.image) if self._options.compare else image
        pts = max(round(frame.pts * self._scale), self._last_pts + 1)
        self._last_pts = pts
        self._encoder.encode(self._arrange(blurred, self._fit(image)), pts,
                             round(frame.duration * self._scale))
        self.num_done += 1
        if self._encoder.count >= self._options.segment_frames:
            self.close()

    def close(self) -> None:
        """Finish the segment in progress."""
        encoder, self._encoder = self._encoder, None
        if encoder is not None:
            encoder.finish()

    def abort(self) -> None:
        """Drop the segment in progress (the disk is full, say)."""
        encoder, self._encoder = self._encoder, None
        if encoder is not None:
            self.num_done -= encoder.count
            with contextlib.suppress(OSError):
                encoder.writer.discard()

    def publish(self) -> None:
        """Join the segments to the file."""
        segments = self._store.paths()
        offset, end = Fraction(0), None
        if self._options.start is not None or self._options.end is not None:
            first = min(p.pts for p in read_segment(segments[0], with_data=False))
            if self._options.start:
                offset = first * self._spec.time_base
            if self._options.end is not None:
                duration = read_footer(segments[-1])['last_duration'] * self._spec.time_base
                end = self._last_pts * self._spec.time_base + (duration or 1 / self._spec.rate)
        joined = self._folder / f'joined{self._output.suffix}'
        write_container(joined, self._spec, segments, self._source, offset, end)
        os.replace(joined, self._output)


def make_sink(reader: FrameReader, output: Path, parts: Parts, options: DeblurOptions):
    """The sink that suits an output."""
    kind = FolderSink if is_folder_output(output) else VideoSink
    return kind(output, parts, reader, options)
