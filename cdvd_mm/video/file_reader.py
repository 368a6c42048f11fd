"""Frames of a video file, through PyAV."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import os
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.sidedata.sidedata import Type as SideDataType
from av.video.codeccontext import VideoCodecContext

from .boxes import movie_duration
from .color import ColorTags, alpha_of, frame_to_rgb, has_alpha
from .contents import film_stream
from .deinterlace import Deinterlacer
from .frames import Frame, FrameReader, VideoInfo
from .side_data import hdr_levels, lost_side_data, side_data
from .timeline import FrameTimes, Timeline

# demuxers that take any text or any bytes for a picture
_NOT_VIDEO_FORMATS = {'tty', 'bin', 'xbin', 'adf', 'idf', 'rawvideo', 'txt'}
_ALPHA_OF_GIF = {'bgra'}  # of 32 bits a pixel in AVI, too
_IDENTITY = (65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)


class VideoReader(FrameReader):
    """Reads the film of a file (:func:`~cdvd_mm.video.contents.film_stream`).

    Args:
        path (Path): Anything FFmpeg decodes: mp4, mov, mkv, webm, gif, ...
        deinterlace (bool): Make whole frames of fields.
    """

    def __init__(self, path: Path, deinterlace: bool = False) -> None:
        super().__init__(path)
        self._deinterlace = deinterlace
        self._shift = 0
        self._decode: Callable[[av.Packet], list[av.VideoFrame]] = _decode
        with self._open() as container:
            first = self._first_frame(container)
            if first is None:
                raise ValueError(f'{path} has a video stream, but not one frame of it can be '
                                 'decoded')
            self.info = self._describe(container, first)

    def _open(self) -> InputContainer:
        try:
            container = open_source(self.path)
        except av.FFmpegError as error:
            raise ValueError(
                f'{self.path} is not a video that FFmpeg can open, or it was cut off before its '
                f'index (an mp4 or mov keeps it at the end): {error.strerror or error}') from error
        formats = set(container.format.name.split(','))
        film = film_stream(container)
        if formats & _NOT_VIDEO_FORMATS or film is None:
            found = ', '.join(f'{s.type}' for s in container.streams) or 'nothing'
            container.close()
            raise ValueError(f'{self.path} is not a video: found {found}, expected a video stream')
        if film.codec_context is None:
            container.close()
            raise ValueError(f'{self.path}: no decoder for its video stream in this FFmpeg')
        film.thread_type = 'AUTO'
        self._decode = _decoder(film)
        return container

    def _first_frame(self, container: InputContainer) -> av.VideoFrame | None:
        """The first frame that can be decoded."""
        for packet in Timeline(container).packets():
            if packet.stream.index != _film(container).index:
                continue
            with contextlib.suppress(av.FFmpegError):
                for frame in self._decode(packet):
                    if 'avi' in container.format.name or container.start_time is None:
                        # no times are stored: what is decoded first is shown at 0
                        self._shift = int(frame.pts or 0)
                    return frame
        return None

    def _describe(self, container: InputContainer, first: av.VideoFrame) -> VideoInfo:
        stream = _film(container)
        context = stream.codec_context
        rate = _rate(container, stream, first)
        duration = None
        if stream.duration is not None and stream.time_base:
            duration = stream.duration * stream.time_base
        elif container.duration is not None:
            duration = Fraction(container.duration, av.time_base)
        num_frames = stream.frames or (round(duration * rate) if duration else 0)
        beside = side_data(first)
        matrix = _display_matrix(beside)
        components = first.format.components
        color = ColorTags(
            range=int(first.color_range), matrix=int(first.colorspace),
            primaries=int(context.color_primaries), transfer=int(context.color_trc),
            lines=first.height)
        if first.format.name.startswith('yuvj'):
            color = dataclasses.replace(color, range=2)
        if self._deinterlace:
            Deinterlacer(Fraction(1, 25)).check(first)
        return VideoInfo(
            width=first.width, height=first.height, time_base=stream.time_base or 1 / rate,
            rate=rate, num_frames=num_frames,
            sample_aspect_ratio=stream.sample_aspect_ratio or Fraction(1),
            display_matrix=matrix, rotation=int(first.rotation) % 360 if matrix else 0,
            bit_depth=max(c.bits for c in components), pix_fmt=first.format.name, color=color,
            duration=duration, first_pts=0 if self._shift else int(first.pts or 0),
            alpha=_is_transparent(first), hdr=hdr_levels(beside),
            losses=(*self._losses(first), *lost_side_data(beside)))

    def _losses(self, first: av.VideoFrame) -> list[str]:
        """What of the pictures goes into no output, in words."""
        losses = []
        if first.interlaced_frame and not self._deinterlace:
            losses.append('interlaced: frames are restored as stored, and no longer marked; '
                          '--deinterlace makes whole frames of the fields before')
        return losses

    def frames(self, start: float | None = None) -> Iterator[Frame]:
        """Yield all frames, or those from a key frame well before ``start`` seconds on."""
        container = self._open()
        try:
            if start is not None and not self._seek(container, start):
                container.close()  # where a failed attempt leaves a container is not known
                container = self._open()
            yield from self._decode_all(container)
        finally:
            container.close()

    def _seek(self, container: InputContainer, start: float) -> bool:
        """Go to a key frame well before ``start``; False: the container must be opened again."""
        target = start - 1 - 10 / float(self.info.rate)
        if target <= 0:
            return True
        timeline = Timeline(container)
        if timeline.may_jump and self._jumps():
            return False
        begin = self.info.first_pts * self.info.time_base + timeline.start
        target += float(begin + self._shift * self.info.time_base)
        try:
            container.seek(int(target * av.time_base))
            frame = next(container.decode(_film(container)), None)
            if frame is None or frame.time is None or frame.time > target:
                return False
            container.seek(int(target * av.time_base))
        except av.FFmpegError:
            return False
        return True

    def _jumps(self) -> bool:
        """Whether times in the file are not what they seem, so that no seek finds them."""
        with self._open() as container:
            timeline = Timeline(container)
            return any(timeline.num_jumps for _ in timeline.packets())

    def _decode_all(self, container: InputContainer) -> Iterator[Frame]:
        info = self.info
        stream = _film(container)
        times = FrameTimes(max(1, round(1 / (info.rate * info.time_base))))
        last_pts, failures, corrupt, last_end = None, 0, 0, Fraction(0)
        timeline = Timeline(container)
        end = 0 if timeline.may_jump else round(self._duration(container) / info.time_base)
        packets = timeline.packets()
        whole = Deinterlacer(info.time_base) if self._deinterlace else None
        while True:
            try:
                packet = next(packets, None)
            except av.FFmpegError as error:
                self.damage.append(f'reading stopped: {error.strerror or error}')
                break
            if packet is None:
                break
            if packet.pts is not None and packet.time_base:
                last_end = max(last_end, (packet.pts + (packet.duration or 0)) * packet.time_base)
            if packet.stream.index != stream.index:
                continue
            corrupt += packet.is_corrupt
            try:
                decoded = self._decode(packet)
            except av.FFmpegError:
                failures += 1
                continue
            for frame in decoded:
                pts, length = times(frame)
                last_pts = pts - self._shift
                if last_pts < end:  # of a variable rate, the last frame's is not to be relied on
                    length = min(length, end - last_pts)
                if whole is None:
                    yield self._frame(frame, last_pts, length)
                else:
                    yield from itertools.starmap(self._frame, whole.push(frame, last_pts, length))
        if whole is not None:
            yield from itertools.starmap(self._frame, whole.flush())
        corrupt -= timeline.num_jumps  # where recordings are joined, a whole packet looks like that
        self._note_damage(container, timeline, last_pts, last_end, max(failures, corrupt, 0))

    def _frame(self, frame: av.VideoFrame, pts: int, duration: int) -> Frame:
        info, deep = self.info, self.info.bit_depth > 8
        return Frame(frame_to_rgb(frame, info.color, deep), pts, duration,
                     alpha=alpha_of(frame, deep) if info.alpha else None)

    def _duration(self, container: InputContainer) -> Fraction:
        """Seconds that the file lasts; 0 where it does not say."""
        if 'mp4' in container.format.name:  # FFmpeg adds up decoding times, which may be less
            return movie_duration(self.path) or Fraction(0)
        return Fraction(container.duration or 0, av.time_base)

    def _note_damage(self, container: InputContainer, timeline: Timeline, last_pts: int | None,
                     last_end: Fraction, failures: int) -> None:
        if failures:
            self.damage.append(f'{failures} packets cannot be decoded')
        slack = max(Fraction(1, 10), 3 / self.info.rate)
        if container.duration is not None and not timeline.num_jumps \
                and 'mpegts' not in container.format.name:
            expected = Fraction(container.duration, av.time_base)
            if last_end + slack < expected:
                self.damage.append(f'the data end at {float(last_end):.2f} s of '
                                   f'{float(expected):.2f} s: the file is cut off')
        elif last_pts is None:
            self.damage.append('no frame could be decoded')


def open_source(path: Path) -> InputContainer:
    """Open a file by its name, which is no URL even where a colon is in it."""
    return av.open(os.path.abspath(path), 'r', metadata_errors='replace')


def _decode(packet: av.Packet) -> list[av.VideoFrame]:
    return [frame for frame in packet.decode() if isinstance(frame, av.VideoFrame)]


def _decoder(film: av.VideoStream) -> Callable[[av.Packet], list[av.VideoFrame]]:
    """FFmpeg's own decoders of VP8 and VP9 leave transparency out."""
    name = {'vp8': 'libvpx', 'vp9': 'libvpx-vp9'}.get(film.codec_context.name)
    if film.metadata.get('alpha_mode') != '1' or name not in av.codec.codecs_available:
        return _decode
    context = av.CodecContext.create(name, 'r')
    assert isinstance(context, VideoCodecContext)
    context.extradata = film.codec_context.extradata
    return lambda packet: context.decode(packet if packet.size else None)


def _is_transparent(frame: av.VideoFrame) -> bool:
    """Whether a film has transparency; where its format always says so (GIF), by a look."""
    if has_alpha(frame.format) and frame.format.name not in _ALPHA_OF_GIF:
        return True
    return (has_alpha(frame.format) or frame.format.has_palette) and bool(
        alpha_of(frame, False).min() < 255)


def _film(container: InputContainer) -> av.VideoStream:
    film = film_stream(container)
    assert film is not None, 'looked for when the file was opened first'
    return film


def _rate(container: InputContainer, stream: av.VideoStream, first: av.VideoFrame) -> Fraction:
    """Frames a second; where the demuxer has none, a frame's duration tells.

    Raw streams are given 25 whatever they are, and DV the unit of its clock.
    """
    rate, unit = stream.average_rate or stream.guessed_rate, stream.time_base
    if first.duration and unit and (
            not rate or container.start_time is None or rate * unit == 1 < first.duration):
        return 1 / (first.duration * unit)
    return rate or Fraction(25)


def _display_matrix(beside: dict[SideDataType, bytes]) -> tuple[int, ...] | None:
    """FFmpeg's 3x3 matrix of a rotation flag; None where there is nothing to turn."""
    numbers = np.frombuffer(beside.get(SideDataType.DISPLAYMATRIX, b''), np.int32)
    matrix = tuple(int(number) for number in numbers)
    return None if matrix in ((), _IDENTITY) else matrix
