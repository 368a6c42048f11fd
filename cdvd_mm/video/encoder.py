"""Encoding of frames, a segment at a time."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import av
import av.logging
import numpy as np
from av.video.codeccontext import VideoCodecContext

from .color import rgb_to_frame
from .encoding import EncodeSpec
from .segments import SegmentWriter, StoredPacket

# As webm has it: VP9's transparency is a film of its own, in what goes with every packet.
ALPHA_OF_VPX: Literal['matroska_block_additional'] = 'matroska_block_additional'


@contextlib.contextmanager
def ffmpeg_messages() -> Iterator[list[str]]:
    """Collect what FFmpeg says of errors meanwhile, and keep it off the screen."""
    messages: list[str] = []
    level = av.logging.get_level()
    av.logging.set_level(av.logging.ERROR)
    try:
        with av.logging.Capture() as log:
            try:
                yield messages
            finally:
                messages += [text.strip() for _, _, text in log]
    finally:
        av.logging.set_level(level)


def configure(context: VideoCodecContext, spec: EncodeSpec) -> None:
    """Set an encoder up, before it is opened."""
    context.width, context.height = spec.width, spec.height
    context.pix_fmt = spec.pix_fmt
    context.time_base = spec.time_base
    context.framerate = spec.rate
    context.sample_aspect_ratio = spec.sample_aspect_ratio
    context.color_range = spec.color.range
    context.colorspace = spec.color.matrix
    context.color_primaries = spec.color.primaries
    context.color_trc = spec.color.transfer
    context.options = dict(spec.options)
    if spec.codec == 'libsvtav1':
        os.environ.setdefault('SVT_LOG', '1')
    if spec.container != 'gif':
        context.flags = int(context.flags) | int(av.codec.context.Flags.global_header)


class _Palette:
    """RGB frames to palette frames: a palette of its own for every frame."""

    def __init__(self, spec: EncodeSpec) -> None:
        graph = av.filter.Graph()
        source = graph.add_buffer(width=spec.width, height=spec.height,
                                  format=av.VideoFormat('rgba' if spec.alpha else 'rgb24'),
                                  time_base=spec.time_base)
        split = graph.add('split')
        generate = graph.add('palettegen', 'stats_mode=single')
        use = graph.add('paletteuse', 'new=1:dither=sierra2_4a')
        sink = graph.add('buffersink')
        source.link_to(split)
        split.link_to(use, 0, 0)
        split.link_to(generate, 1, 0)
        generate.link_to(use, 0, 1)
        use.link_to(sink)
        graph.configure()
        self._graph = graph

    def __call__(self, frame: av.VideoFrame) -> av.VideoFrame:
        self._graph.push(frame)
        palette_frame = self._graph.pull()
        assert isinstance(palette_frame, av.VideoFrame)
        return palette_frame


class SegmentEncoder:
    """Encodes one segment into a :class:`SegmentWriter`.

    Args:
        spec (EncodeSpec): How.
        writer (SegmentWriter): Where to.
    """

    def __init__(self, spec: EncodeSpec, writer: SegmentWriter) -> None:
        self.spec = spec
        self.writer = writer
        self.count = 0
        self._last_duration = 0
        context = av.CodecContext.create(spec.codec, 'w')
        assert isinstance(context, VideoCodecContext)
        self._context = context
        configure(self._context, spec)
        self._context.thread_type = 'AUTO'
        try:
            with ffmpeg_messages() as messages:
                self._context.open(strict=False)
        except av.FFmpegError as error:
            raise ValueError(f'the encoder {spec.codec} refuses these settings '
                             f'({dict(spec.options)}, {spec.pix_fmt}, '
                             f'{spec.width}x{spec.height}): '
                             f'{"; ".join(messages) or error}') from error
        if self._context.options:  # what nobody has taken
            raise ValueError(f'the encoder {spec.codec} has no option '
                             f'{", ".join(self._context.options)}')
        self._palette = _Palette(spec) if spec.codec == 'gif' else None

    def encode(self, image: np.ndarray, pts: int, duration: int) -> None:
        """Encode a frame (h, w, 3 or 4), RGB, uint8 or uint16, shown at ``pts``.

        One that is smaller than what is encoded is filled up with its last row and column.
        """
        below, beside = self.spec.height - image.shape[0], self.spec.width - image.shape[1]
        if below or beside:
            image = np.pad(image, ((0, below), (0, beside), (0, 0)), 'edge')
        if self._palette is not None:
            if image.dtype == np.uint16:
                image = (image // 257).astype(np.uint8)
            frame = rgb_to_frame(image, 'rgba' if self.spec.alpha else 'rgb24', self.spec.color)
            frame.pts, frame.time_base = pts, self.spec.time_base
            frame = self._palette(frame)
        else:
            frame = rgb_to_frame(image, self.spec.pix_fmt, self.spec.color)
        frame.pts, frame.time_base = pts, self.spec.time_base
        frame.duration = duration
        frame.pict_type = 0
        self._last_duration = duration
        self.count += 1
        self._store(self._context.encode(frame))

    def _store(self, packets: list[av.Packet]) -> None:
        for packet in packets:
            assert packet.pts is not None
            decoded = packet.pts if packet.dts is None else packet.dts
            self.writer.add(StoredPacket(packet.pts, decoded, packet.is_keyframe, bytes(packet),
                                         bytes(packet.get_sidedata(ALPHA_OF_VPX))))

    def finish(self) -> Path:
        """Flush the encoder and close the segment.

        Raises:
            ValueError: The encoder gave another number of packets than it got frames.
        """
        self._store(self._context.encode(None))
        if self.writer.count != self.count:
            raise ValueError(f'{self.spec.codec} made {self.writer.count} packets of '
                             f'{self.count} frames: choose another codec')
        return self.writer.close(bytes(self._context.extradata or b''), self._last_duration)
