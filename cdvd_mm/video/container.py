"""The finished file: encoded segments, and what is copied from the source."""

from __future__ import annotations

import heapq
import io
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer, OutputContainer
from av.stream import Stream
from mmengine.logging import print_log

from .contents import film_stream
from .encoder import configure
from .encoding import EncodeSpec
from .file_reader import open_source
from .segments import read_footer, read_segment
from .timeline import RisingTimes, Timeline

_CODEC_TAGS = {'libx265': 'hvc1'}
_SKIPPED_METADATA = {'encoder', 'major_brand', 'minor_version', 'compatible_brands', 'DURATION',
                     'rotate', 'vendor_id', 'BPS', 'NUMBER_OF_FRAMES', 'NUMBER_OF_BYTES'}


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
        ValueError: The segments were encoded by different versions of the encoder.
        RuntimeError: The segments do not fit each other otherwise.
    """
    footers = [read_footer(segment) for segment in segments]
    options = {'movflags': 'faststart'} if spec.container in ('mp4', 'mov') else {}
    original = open_source(source) if source else None
    try:
        with av.open(os.path.abspath(path), 'w', format=spec.container,
                     container_options=options) as output:
            video = output.add_stream(spec.codec, rate=spec.rate, time_base=spec.time_base)
            assert isinstance(video, av.VideoStream)
            configure(video.codec_context, spec)
            if spec.codec in _CODEC_TAGS and spec.container in ('mp4', 'mov'):
                video.codec_context.codec_tag = _CODEC_TAGS[spec.codec]
            if spec.display_matrix is not None:
                video.set_display_matrix(spec.display_matrix)
            others: Iterator[tuple[Fraction, av.Packet]] = iter(())
            if original is not None:
                copies = _copied_streams(original, output, spec.container)
                _copy_tags(original, output, video, offset)
                if copies:
                    others = _copied_packets(original, copies, RisingTimes(output), offset, end)
            output.start_encoding()
            extradata = bytes(video.codec_context.extradata or b'')
            if any(footer.extradata != extradata for footer in footers):
                raise ValueError('the segments were encoded with another version of the '
                                 'encoder: start again with --no-resume')
            _interleave(output, _video_packets(segments, video, spec, offset), others)
    finally:
        if original is not None:
            original.close()
    with open(path, 'rb+') as file:
        os.fsync(file.fileno())


def _video_packets(segments: list[Path], stream: av.VideoStream, spec: EncodeSpec,
                   offset: Fraction) -> Iterator[tuple[Fraction, av.Packet]]:
    order = [p.pts for path in segments for p in read_segment(path, with_data=False)]
    if len(set(order)) != len(order):
        raise RuntimeError('two frames of the segments carry the same time')
    times = _decoding_times(order)
    shown = sorted(order)
    following = dict(zip(shown, shown[1:]))
    last_duration = read_footer(segments[-1]).last_duration \
        or round(1 / (spec.rate * spec.time_base))
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
            packet.is_keyframe = stored.is_keyframe
            yield packet.dts * spec.time_base, packet
            index += 1


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


def _without_gif_header(data: bytes) -> bytes:
    """Take the file header off that the GIF encoder puts before its first frame."""
    if not data.startswith(b'GIF8'):
        return data
    flags = data[10]
    return data[13 + (3 * 2**((flags & 7) + 1) if flags & 0x80 else 0):]


def _copied_streams(source: InputContainer, output: OutputContainer,
                    container: str) -> dict[int, Stream]:
    copies: dict[int, Stream] = {}
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


def _can_hold(container: str, stream: Stream) -> bool:
    """Whether a container takes a copy of a stream."""
    try:
        with av.open(io.BytesIO(), 'w', format=container) as probe:
            probe.add_stream_from_template(stream, opaque=True)
            probe.start_encoding()
        return True
    except (av.FFmpegError, ValueError):
        return False


def _copied_packets(source: InputContainer, copies: dict[int, Stream], rising: RisingTimes,
                    offset: Fraction, end: Fraction | None
                    ) -> Iterator[tuple[Fraction, av.Packet]]:
    """Packets of the streams to be copied, shifted by ``-offset`` seconds."""
    packets = Timeline(source).packets()
    while True:
        try:
            packet = next(packets, None)
        except av.FFmpegError:
            return  # the end of a truncated file
        if packet is None:
            return
        if packet.stream.index not in copies or packet.size == 0 or packet.pts is None:
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
        rising.correct(packet)
        yield time - offset, packet


def _copy_tags(original: InputContainer, output: OutputContainer,
               video: av.VideoStream, offset: Fraction) -> None:
    output.metadata.update(
        {k: v for k, v in original.metadata.items() if k not in _SKIPPED_METADATA})
    source = film_stream(original)
    if source is not None:
        video.metadata.update(
            {k: v for k, v in source.metadata.items() if k not in _SKIPPED_METADATA})
    chapters = original.chapters()
    if chapters and not offset:
        output.set_chapters(chapters)


def _interleave(output: OutputContainer, *streams: Iterator[tuple[Fraction, av.Packet]]) -> None:
    for _, packet in heapq.merge(*streams, key=lambda item: item[0]):
        output.mux(packet)
