"""Frames of a video file or of a folder, one after the other."""

import collections
import dataclasses
import re
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from mmengine.logging import print_log

from .color import ColorTags, frame_to_rgb

IMAGE_SUFFIXES = ('.png', '.jpg', '.jpeg', '.bmp', '.tif', '.tiff', '.webp')

# demuxers that take any text or any bytes for a picture
_NOT_VIDEO_FORMATS = {'tty', 'bin', 'xbin', 'adf', 'idf', 'rawvideo', 'txt'}


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
        display_matrix (tuple[int] | None): FFmpeg's 3x3 display matrix.
        rotation (int): Counter-clockwise rotation to be shown with, in degrees.
        bit_depth (int): Bits a channel.
        pix_fmt (str): Pixel format of the stream, ``rgb24``/``rgb48le`` for folders.
        color (ColorTags): Colour description.
        duration (Fraction | None): Seconds, where the file says.
        first_pts (int): Timestamp of the first frame.
        is_folder (bool): A folder of frames.
    """

    width: int
    height: int
    time_base: Fraction
    rate: Fraction
    num_frames: int = 0
    sample_aspect_ratio: Fraction = Fraction(1)
    display_matrix: tuple | None = None
    rotation: int = 0
    bit_depth: int = 8
    pix_fmt: str = 'rgb24'
    color: ColorTags = ColorTags()
    duration: Fraction | None = None
    first_pts: int = 0
    is_folder: bool = False


@dataclasses.dataclass
class Frame:
    """One decoded frame.

    Args:
        image (np.ndarray): (h, w, 3), RGB, uint8 or uint16.
        pts (int): Presentation time in units of the reader's time base,
            strictly increasing.
        duration (int): In the same units; 0 where unknown.
        name (str): File name without suffix (folders) or ''.
        wanted (bool): False for frames that only serve as neighbours.
        cut (bool): A scene cut lies between the previous frame and this one.
    """

    image: np.ndarray
    pts: int
    duration: int = 0
    name: str = ''
    wanted: bool = True
    cut: bool = False


def _natural_key(path: Path) -> list:
    return [int(part) if part.isdigit() else part.lower()
            for part in re.split(r'(\d+)', path.name)]


class FrameReader:
    """Common part of the two readers: ``info``, ``damage``, iteration, ``close``.

    ``damage`` lists, after iteration, what could not be decoded; empty if the
    input was whole.
    """

    info: VideoInfo

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damage: list[str] = []

    def frames(self, start: float | None = None) -> Iterator[Frame]:
        """Yield frames in order, from shortly before ``start`` seconds on."""
        raise NotImplementedError

    def close(self) -> None:
        """Release the file."""

    def __enter__(self) -> 'FrameReader':
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


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
             if p.suffix.lower() in IMAGE_SUFFIXES and not p.name.startswith('.')),
            key=_natural_key)
        if not self.files:
            raise ValueError(f'no frames in the folder {path}: expected files ending in '
                             f'{", ".join(IMAGE_SUFFIXES)}')
        first = None
        for file in self.files:
            first = self._read(file)
            if first is not None:
                break
        if first is None:
            raise ValueError(f'none of the {len(self.files)} pictures in {path} can be read '
                             f'({self.files[0].name} ...): they are damaged or no pictures')
        stems = [file.stem for file in self.files]
        self._names = stems if len(set(stems)) == len(stems) else [
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
        for index, (file, name) in enumerate(zip(self.files, self._names)):
            image = self._read(file)
            if image is None:
                self.damage.append(f'{file.name} cannot be read')
                continue
            if deep and image.dtype == np.uint8:
                image = image.astype(np.uint16) * 257
            elif not deep and image.dtype == np.uint16:
                image = (image // 257).astype(np.uint8)
            yield Frame(image, index, 1, name)


class VideoReader(FrameReader):
    """Reads the first video stream of a file.

    Args:
        path (Path): Anything FFmpeg decodes: mp4, mov, mkv, webm, gif, ...
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._container = self._open()
        stream = self._container.streams.video[0]
        try:
            first = next(self._container.decode(stream), None)
        except av.FFmpegError:
            first = self._first_decodable()
        if first is None:
            self.close()
            raise ValueError(f'{path} has a video stream, but not one frame of it can be decoded')
        self.info = self._describe(stream, first)
        self.close()

    def _open(self) -> av.container.InputContainer:
        try:
            container = av.open(str(self.path), 'r', metadata_errors='replace')
        except av.FFmpegError as error:
            raise ValueError(
                f'{self.path} is not a video that FFmpeg can open, or it was cut off before its '
                f'index (an mp4 or mov keeps it at the end): {error.strerror or error}') from error
        formats = set(container.format.name.split(','))
        pictures = [s for s in container.streams.video
                    if not s.disposition & av.stream.Disposition.attached_pic]
        if formats & _NOT_VIDEO_FORMATS or not pictures:
            found = ', '.join(f'{s.type}' for s in container.streams) or 'nothing'
            container.close()
            raise ValueError(f'{self.path} is not a video: found {found}, expected a video stream')
        if pictures[0].codec_context is None:
            container.close()
            raise ValueError(f'{self.path}: no decoder for its video stream in this FFmpeg')
        pictures[0].thread_type = 'AUTO'
        return container

    def _first_decodable(self) -> av.VideoFrame | None:
        for packet in self._container.demux(self._container.streams.video[0]):
            try:
                for frame in packet.decode():
                    return frame
            except av.FFmpegError:
                continue
        return None

    def _describe(self, stream: av.VideoStream, first: av.VideoFrame) -> VideoInfo:
        context = stream.codec_context
        rate = stream.average_rate or stream.guessed_rate or Fraction(25)
        duration = None
        if stream.duration is not None and stream.time_base:
            duration = stream.duration * stream.time_base
        elif self._container.duration is not None:
            duration = Fraction(self._container.duration, av.time_base)
        num_frames = stream.frames or (round(duration * rate) if duration else 0)
        matrix = None
        for data in first.side_data.keys():
            if data.type.name == 'DISPLAYMATRIX':
                matrix = tuple(int(v) for v in np.frombuffer(bytes(data), np.int32))
        if matrix == (65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30):
            matrix = None
        components = first.format.components
        color = ColorTags(
            range=int(first.color_range), matrix=int(first.colorspace),
            primaries=int(context.color_primaries), transfer=int(context.color_trc))
        if first.format.name.startswith('yuvj'):
            color = dataclasses.replace(color, range=2)
        if first.interlaced_frame:
            print_log(f'{self.path} is interlaced: frames are restored as stored; deinterlace '
                      'before restoring for better results', 'current', 30)
        return VideoInfo(
            width=first.width, height=first.height, time_base=stream.time_base or 1 / rate,
            rate=rate, num_frames=num_frames,
            sample_aspect_ratio=stream.sample_aspect_ratio or Fraction(1),
            display_matrix=matrix, rotation=int(first.rotation) % 360 if matrix else 0,
            bit_depth=max(c.bits for c in components), pix_fmt=first.format.name, color=color,
            duration=duration, first_pts=int(first.pts or 0))

    def frames(self, start: float | None = None) -> Iterator[Frame]:
        """Yield all frames, or those from a key frame well before ``start`` seconds on."""
        if start is not None and start > 1:
            last_skipped = self._seek_target(start)
        else:
            last_skipped = None
        self._container = self._open()
        try:
            if last_skipped is not None:
                try:
                    self._container.seek(int(last_skipped * av.time_base))
                except av.FFmpegError:
                    self._container.close()
                    self._container = self._open()
            yield from self._decode_all()
        finally:
            self.close()

    def _seek_target(self, start: float) -> float | None:
        """A time from which decoding surely gives a frame before ``start``, or None."""
        target = start - 1 - 10 / float(self.info.rate)
        if target <= 0:
            return None
        target += float(self.info.first_pts * self.info.time_base)
        with self._open() as probe:
            try:
                probe.seek(int(target * av.time_base))
                frame = next(probe.decode(probe.streams.video[0]), None)
            except av.FFmpegError:
                return None
            if frame is None or frame.time is None or frame.time > target:
                return None
        return target

    def _decode_all(self) -> Iterator[Frame]:
        info = self.info
        stream = self._container.streams.video[0]
        deep = info.bit_depth > 8
        step = max(1, round(1 / (info.rate * info.time_base)))
        last_pts, failures, corrupt, last_end = None, 0, 0, Fraction(0)
        packets = self._container.demux()
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
                decoded = packet.decode()
            except av.FFmpegError:
                failures += 1
                continue
            for frame in decoded:
                pts = frame.pts
                if pts is None or (last_pts is not None and pts <= last_pts):
                    pts = 0 if last_pts is None else last_pts + (step if pts is None else 1)
                last_pts = pts
                yield Frame(frame_to_rgb(frame, info.color, deep), pts, int(frame.duration or 0))
        self._note_damage(last_pts, last_end, failures, corrupt)

    def _note_damage(self, last_pts: int | None, last_end: Fraction, failures: int,
                     corrupt: int) -> None:
        if failures or corrupt:
            self.damage.append(f'{max(failures, corrupt)} packets cannot be decoded')
        container, info = self._container, self.info
        slack = max(Fraction(1, 10), 3 / info.rate)
        if container.duration is not None and 'mpegts' not in container.format.name:
            begin = Fraction(max(container.start_time or 0, 0), av.time_base)
            expected = begin + Fraction(container.duration, av.time_base)
            if last_end + slack < expected:
                self.damage.append(f'the data end at {float(last_end):.2f} s of '
                                   f'{float(expected):.2f} s: the file is cut off')
        elif last_pts is None:
            self.damage.append('no frame could be decoded')

    def close(self) -> None:
        """Release the file."""
        if self._container is not None:
            self._container.close()
            self._container = None


def open_reader(path: str | Path, fps: float | Fraction | None = None) -> FrameReader:
    """Open a video file or a folder of frames.

    Args:
        path (str | Path): The input.
        fps (float | Fraction, optional): Frames a second of a folder. Default: 30.

    Returns:
        FrameReader: Reader with ``info`` filled in.

    Raises:
        FileNotFoundError: Nothing at ``path``.
        ValueError: Not a video, no frames, nothing decodable.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f'no such input: {path}')
    if path.is_dir():
        return FolderReader(path, Fraction(fps).limit_denominator(100000) if fps else Fraction(30))
    if path.stat().st_size == 0:
        raise ValueError(f'{path} is empty (0 bytes): expected a video')
    return VideoReader(path)


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
    start, end = (None if t is None else Fraction(t).limit_denominator(1000000)
                  for t in (start, end))
    before: collections.deque[Frame] = collections.deque(maxlen=context) if context else None
    seen, after = 0, 0
    for frame in frames:
        time = (frame.pts - info.first_pts) * info.time_base
        if end is not None and time >= end:
            if seen <= skip or after == context:
                return
            after += 1
            yield dataclasses.replace(frame, wanted=False)
            continue
        if start is not None and time < start:
            if before is not None:
                before.append(frame)
            continue
        seen += 1
        if seen <= skip:
            if before is not None:
                before.append(frame)
            continue
        while before:
            yield dataclasses.replace(before.popleft(), wanted=False)
        yield frame
