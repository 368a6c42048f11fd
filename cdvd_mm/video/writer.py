"""Encoding of restored frames and putting the finished file together."""

import dataclasses
import io
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from mmengine.logging import print_log

from .color import ColorTags, rgb_to_frame
from .orientation import can_store_rotation
from .reader import VideoInfo
from .segments import SegmentWriter, StoredPacket, read_footer, read_segment

CONTAINERS = {
    '.mp4': 'mp4', '.m4v': 'mp4', '.mov': 'mov', '.mkv': 'matroska', '.webm': 'webm',
    '.gif': 'gif',
}
_ALIASES = {
    'h264': 'libx264', 'x264': 'libx264', 'h265': 'libx265', 'hevc': 'libx265',
    'x265': 'libx265', 'vp9': 'libvpx-vp9', 'av1': 'libsvtav1', 'prores': 'prores_ks',
}
# codec -> (option that --quality sets, its default, further defaults)
_QUALITY = {
    'libx264': ('crf', '16', {'preset': 'medium'}),
    'libx265': ('crf', '18', {'preset': 'medium', 'x265-params': 'log-level=error'}),
    'libvpx-vp9': ('crf', '20', {'b': '0', 'row-mt': '1', 'deadline': 'good', 'cpu-used': '3'}),
    'libsvtav1': ('crf', '22', {'preset': '7'}),
    'prores_ks': ('profile', '3', {}),
    'mpeg4': ('q', '2', {}),
    'ffv1': (None, None, {'level': '3'}),
    'gif': (None, None, {'global_palette': '0'}),
}
_CODEC_TAGS = {'libx265': 'hvc1'}
_SKIPPED_METADATA = {'encoder', 'major_brand', 'minor_version', 'compatible_brands', 'DURATION',
                     'rotate', 'vendor_id', 'BPS', 'NUMBER_OF_FRAMES', 'NUMBER_OF_BYTES'}


@dataclasses.dataclass(frozen=True)
class EncodeSpec:
    """How frames are encoded; the same for all segments of an output.

    Args:
        container (str): FFmpeg's name of the output format.
        codec (str): FFmpeg's name of the encoder.
        options (tuple[tuple[str, str], ...]): The encoder's private options.
        pix_fmt (str): Pixel format handed to the encoder.
        width (int): Encoded width.
        height (int): Encoded height.
        rate (Fraction): Nominal frames a second.
        time_base (Fraction): Unit of the timestamps.
        sample_aspect_ratio (Fraction): Pixel aspect.
        color (ColorTags): Colour description.
        display_matrix (tuple[int, ...] | None): Rotation flag to be written.
    """

    container: str
    codec: str
    options: tuple
    pix_fmt: str
    width: int
    height: int
    rate: Fraction
    time_base: Fraction
    sample_aspect_ratio: Fraction
    color: ColorTags
    display_matrix: tuple | None = None

    def describe(self) -> dict:
        """A JSON-able form, to tell whether two runs encode alike."""
        return {f.name: str(getattr(self, f.name)) for f in dataclasses.fields(self)}


def _pixel_format(codec: str, info: VideoInfo, odd: tuple[bool, bool]) -> str:
    """The encoder's pixel format that is closest to the input's."""
    offered = [f.name for f in av.codec.Codec(codec, 'w').video_formats]
    if codec == 'gif':
        return 'pal8'
    is_rgb = av.VideoFormat(info.pix_fmt).is_rgb or info.pix_fmt == 'pal8'
    if codec == 'ffv1' and is_rgb:
        return 'bgr0' if info.bit_depth == 8 else 'gbrp16le'
    layout = '420'
    for name in ('422', '444', '440', '411'):
        if f'yuv{name}' in info.pix_fmt or f'yuvj{name}' in info.pix_fmt:
            layout = name
    if codec != 'libvpx-vp9' and codec != 'ffv1':
        if odd[1] and layout in ('420', '440'):
            layout = '444' if odd[0] else '422'
        if odd[0] and layout in ('420', '422', '411'):
            layout = '444'
    depths = {8: ('',), 9: ('10le', ''), 10: ('10le', '12le', '')}.get(
        info.bit_depth, ('12le', '10le', '') if info.bit_depth == 12 else ('10le', '12le', ''))
    layouts = {'420': ('420', '422', '444'), '422': ('422', '444', '420')}.get(
        layout, (layout, '444', '422', '420'))
    for depth in depths + ('', '10le'):
        for name in layouts:
            if name == '420' and any(odd) and layout != '420':
                continue  # would need even sides
            if f'yuv{name}p{depth}' in offered:
                return f'yuv{name}p{depth}'
    raise ValueError(
        f'the encoder {codec} offers no pixel format for this {info.width}x{info.height} input '
        f'({", ".join(offered)}); choose another codec (libx264 takes odd sizes)')


def plan_encoding(info: VideoInfo, output: str | Path, size: tuple[int, int],
                  codec: str | None = None, quality: str | float | None = None,
                  codec_options: dict | None = None) -> EncodeSpec:
    """Choose encoder and settings for an output file.

    Args:
        info (VideoInfo): The input.
        output (str | Path): The output file; its suffix chooses the container.
        size (tuple[int, int]): Width and height of the frames to be written, as stored.
        codec (str, optional): Encoder, or h264, h265, vp9, av1, ffv1, prores.
            Default: H.264 (more than 8 bits: H.265), VP9 (AV1) for webm.
        quality (str | float, optional): The encoder's constant quality (CRF).
        codec_options (dict, optional): Further options of the encoder.

    Returns:
        EncodeSpec: What :class:`SegmentEncoder` and :func:`write_container` need.

    Raises:
        ValueError: Unknown container, unknown encoder, or one that does not fit the container.
    """
    suffix = Path(output).suffix.lower()
    if suffix not in CONTAINERS:
        raise ValueError(f'{output}: expected a name ending in {", ".join(CONTAINERS)}, or one '
                         'without a suffix for a folder of frames')
    container = CONTAINERS[suffix]
    deep = info.bit_depth > 8
    if codec is None:
        codec = {'gif': 'gif', 'webm': 'libsvtav1' if deep else 'libvpx-vp9'}.get(
            container, 'libx265' if deep else 'libx264')
    codec = _ALIASES.get(codec.lower(), codec)
    try:
        available = av.codec.Codec(codec, 'w')
    except Exception as error:  # PyAV's UnknownCodecError, a ValueError in some versions
        raise ValueError(f'no encoder {codec!r} in this FFmpeg: expected one of '
                         f'{", ".join(sorted(_ALIASES) + ["ffv1"])}') from error
    if available.type != 'video':
        raise ValueError(f'{codec!r} is an encoder for {available.type}, not for video')
    option, default, further = _QUALITY.get(codec, (None, None, {}))
    options = dict(further)
    if quality is not None and option is None:
        raise ValueError(f'--quality has no meaning for the encoder {codec}')
    if option is not None:
        options[option] = str(default if quality is None else quality)
    options.update({k: str(v) for k, v in (codec_options or {}).items()})

    width, height = size
    pix_fmt = _pixel_format(codec, info, (width % 2 == 1, height % 2 == 1))
    color = info.color
    target = av.VideoFormat(pix_fmt)
    if target.is_rgb or pix_fmt == 'pal8':
        color = ColorTags(range=2, matrix=0, primaries=color.primaries, transfer=color.transfer)
    elif av.VideoFormat(info.pix_fmt).is_rgb or info.pix_fmt == 'pal8':
        color = ColorTags(range=1, matrix=1, primaries=1, transfer=1)
    time_base = Fraction(1, 100) if container == 'gif' else info.time_base
    spec = EncodeSpec(
        container=container, codec=codec, options=tuple(sorted(options.items())),
        pix_fmt=pix_fmt, width=width, height=height, rate=info.rate, time_base=time_base,
        sample_aspect_ratio=info.sample_aspect_ratio, color=color,
        display_matrix=info.display_matrix if can_store_rotation(container) else None)
    with av.open(io.BytesIO(), 'w', format=container) as probe:
        if codec not in probe.supported_codecs and available.name not in probe.supported_codecs:
            try:
                probe.add_stream(codec)
            except ValueError as error:
                raise ValueError(f'{suffix} files cannot hold {codec}: {error}') from error
    if container == 'webm' and info.sample_aspect_ratio != 1:
        print_log(f'pixels of this video are not square ({info.sample_aspect_ratio}); webm does '
                  'not keep that here, mp4, mov and mkv do', 'current', 30)
    return spec


def _configure(context: av.VideoCodecContext, spec: EncodeSpec) -> None:
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
                                  format=av.VideoFormat('rgb24'), time_base=spec.time_base)
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
        return self._graph.pull()


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
        self._context = av.CodecContext.create(spec.codec, 'w')
        _configure(self._context, spec)
        self._context.thread_type = 'AUTO'
        try:
            self._context.open(strict=False)
        except av.FFmpegError as error:
            raise ValueError(f'the encoder {spec.codec} refuses these settings '
                             f'({dict(spec.options)}, {spec.pix_fmt}, '
                             f'{spec.width}x{spec.height}): {error}') from error
        self._palette = _Palette(spec) if spec.codec == 'gif' else None

    def encode(self, image: np.ndarray, pts: int, duration: int) -> None:
        """Encode a frame (h, w, 3), RGB, uint8 or uint16, shown at ``pts``."""
        if self._palette is not None:
            if image.dtype == np.uint16:
                image = (image // 257).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), 'rgb24')
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

    def _store(self, packets: list) -> None:
        for packet in packets:
            self.writer.add(StoredPacket(packet.pts, packet.dts if packet.dts is not None
                                         else packet.pts, packet.is_keyframe, bytes(packet)))

    def finish(self) -> Path:
        """Flush the encoder and close the segment.

        Raises:
            RuntimeError: The encoder gave another number of packets than it got frames.
        """
        self._store(self._context.encode(None))
        if self.writer.count != self.count:
            raise RuntimeError(f'{self.spec.codec} made {self.writer.count} packets of '
                               f'{self.count} frames: choose another codec')
        return self.writer.close(bytes(self._context.extradata or b''), self._last_duration)


def _decoding_times(order: list[int]) -> list[int]:
    """Decoding timestamps for presentation timestamps given in coding order.

    The k-th packet is decoded when the (k - d)-th frame is shown, d being the
    smallest delay with which nothing is shown before it is decoded.
    """
    shown = sorted(order)
    rank = {pts: k for k, pts in enumerate(shown)}
    delay = max((k - rank[pts] for k, pts in enumerate(order)), default=0)
    step = shown[1] - shown[0] if len(shown) > 1 else 1
    return [shown[k - delay] if k >= delay else shown[0] - (delay - k) * step
            for k in range(len(order))]


def _can_hold(container: str, stream: av.stream.Stream) -> bool:
    """Whether a container takes a copy of a stream."""
    try:
        with av.open(io.BytesIO(), 'w', format=container) as probe:
            probe.add_stream_from_template(stream, opaque=True)
            probe.start_encoding()
        return True
    except (av.FFmpegError, ValueError):
        return False


def _copied_streams(source: av.container.InputContainer, output: av.container.OutputContainer,
                    container: str) -> dict[int, av.stream.Stream]:
    copies = {}
    for stream in source.streams:
        if stream.type not in ('audio', 'subtitle', 'attachment'):
            continue
        if not _can_hold(container, stream):
            name = stream.codec_context.name if stream.codec_context else stream.type
            print_log(f'the {stream.type} stream {stream.index} ({name}) cannot be stored in '
                      f'{container} without changing it and is left out', 'current', 30)
            continue
        copy = output.add_stream_from_template(stream, opaque=True)
        copy.metadata.update(
            {k: v for k, v in stream.metadata.items() if k not in _SKIPPED_METADATA})
        copy.disposition = stream.disposition
        if stream.type != 'attachment':
            copies[stream.index] = copy
    return copies


def _copied_packets(source: av.container.InputContainer, copies: dict, offset: Fraction,
                    end: Fraction | None) -> Iterator[tuple[Fraction, av.Packet]]:
    """Packets of the streams to be copied, shifted by ``-offset`` seconds."""
    packets = source.demux([source.streams[i] for i in copies])
    while True:
        try:
            packet = next(packets, None)
        except av.FFmpegError:
            return  # the end of a truncated file
        if packet is None:
            return
        if packet.size == 0 or packet.pts is None:
            continue
        time = packet.pts * packet.time_base
        if offset and time + (packet.duration or 0) * packet.time_base <= offset:
            continue
        if end is not None and time >= end:
            continue
        if offset:
            shift = round(offset / packet.time_base)
            packet.pts -= shift
            if packet.dts is not None:
                packet.dts -= shift
        packet.stream = copies[packet.stream.index]
        yield time - offset, packet


def _without_gif_header(data: bytes) -> bytes:
    """Take the file header off that the GIF encoder puts before its first frame."""
    if not data.startswith(b'GIF8'):
        return data
    flags = data[10]
    return data[13 + (3 * 2**((flags & 7) + 1) if flags & 0x80 else 0):]


def _video_packets(segments: list[Path], stream: av.VideoStream, spec: EncodeSpec,
                   offset: Fraction) -> Iterator[tuple[Fraction, av.Packet]]:
    order = [p.pts for path in segments for p in read_segment(path, with_data=False)]
    if len(set(order)) != len(order):
        raise RuntimeError('two frames of the segments carry the same time')
    times = _decoding_times(order)
    shown = sorted(order)
    following = dict(zip(shown, shown[1:]))
    last_duration = read_footer(segments[-1])['last_duration']
    step = round(1 / (spec.rate * spec.time_base))
    last_duration = last_duration or step
    shift = round(offset / spec.time_base)
    index = 0
    for path in segments:
        for stored in read_segment(path):
            data = stored.data
            if index and spec.container == 'gif':
                data = _without_gif_header(data)
            packet = av.Packet(data)
            packet.stream = stream
            packet.time_base = spec.time_base
            packet.pts = stored.pts - shift
            packet.dts = times[index] - shift
            packet.duration = following.get(stored.pts, stored.pts + last_duration) - stored.pts
            if index == len(order) - 1 and spec.container in ('mp4', 'mov'):
                # these count in decoding times, and take the last packet's duration for the end
                end = shown[-1] + last_duration - shown[0]
                packet.duration = max(1, end - (times[-1] - times[0]))
            packet.is_keyframe = stored.is_keyframe
            yield packet.dts * spec.time_base, packet
            index += 1


def write_container(path: Path, spec: EncodeSpec, segments: list[Path],
                    source: Path | None = None, offset: Fraction = Fraction(0),
                    end: Fraction | None = None) -> None:
    """Put the finished file together: segments, and streams copied from the source.

    Args:
        path (Path): The file to write (a temporary name).
        spec (EncodeSpec): How the segments were encoded.
        segments (list[Path]): All segments, in order.
        source (Path, optional): File whose audio, subtitles, chapters and tags are copied.
        offset (Fraction): Seconds taken off all timestamps (a part of the source).
        end (Fraction, optional): Time in the source where copying ends.

    Raises:
        RuntimeError: The segments do not fit each other.
    """
    footers = [read_footer(segment) for segment in segments]
    options = {'movflags': 'faststart'} if spec.container in ('mp4', 'mov') else {}
    original = av.open(str(source), 'r', metadata_errors='replace') if source else None
    try:
        with av.open(str(path), 'w', format=spec.container, container_options=options) as output:
            video = output.add_stream(spec.codec, rate=spec.rate, time_base=spec.time_base)
            _configure(video.codec_context, spec)
            if spec.codec in _CODEC_TAGS and spec.container in ('mp4', 'mov'):
                video.codec_context.codec_tag = _CODEC_TAGS[spec.codec]
            if spec.display_matrix is not None:
                video.set_display_matrix(spec.display_matrix)
            copies = {}
            if original is not None:
                copies = _copied_streams(original, output, spec.container)
                _copy_tags(original, output, video, offset)
            output.start_encoding()
            extradata = bytes(video.codec_context.extradata or b'')
            if any(footer['extradata'] != extradata for footer in footers):
                raise RuntimeError('the segments were encoded with another version of the '
                                   'encoder: start again with --no-resume')
            others = iter(()) if not copies else _copied_packets(original, copies, offset, end)
            _interleave(output, _video_packets(segments, video, spec, offset), others)
    finally:
        if original is not None:
            original.close()
    with open(path, 'rb+') as file:
        os.fsync(file.fileno())


def _copy_tags(original: av.container.InputContainer, output: av.container.OutputContainer,
               video: av.VideoStream, offset: Fraction) -> None:
    output.metadata.update(
        {k: v for k, v in original.metadata.items() if k not in _SKIPPED_METADATA})
    source = next((s for s in original.streams.video), None)
    if source is not None:
        video.metadata.update(
            {k: v for k, v in source.metadata.items() if k not in _SKIPPED_METADATA})
    chapters = original.chapters()
    if chapters and not offset:
        output.set_chapters(chapters)


def _interleave(output: av.container.OutputContainer, video: Iterator, others: Iterator) -> None:
    queues = [video, others]
    heads = [next(queue, None) for queue in queues]
    while any(head is not None for head in heads):
        index = min((i for i in (0, 1) if heads[i] is not None), key=lambda i: heads[i][0])
        output.mux(heads[index][1])
        heads[index] = next(queues[index], None)
