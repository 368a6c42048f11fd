"""The finished file: encoded segments, and what is copied from the source."""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.container import OutputContainer
from av.packet import PacketSideData, packet_sidedata_type_from_literal

from .encoder import ALPHA_OF_VPX, configure
from .encoding import EncodeSpec
from .file_reader import open_source
from .others import Carry, Others
from .segments import read_footer, read_segment
from .timeline import Timeline

_CODEC_TAGS = {'libx265': 'hvc1'}


def write_container(path: Path, spec: EncodeSpec, segments: list[Path],
                    carry: Carry | None = None, offset: Fraction = Fraction(0),
                    end: Fraction | None = None) -> frozenset[int]:
    """Put the finished file together: segments, and what goes over from the source.

    Args:
        path (Path): The file to write (a temporary name).
        spec (EncodeSpec): How the segments were encoded.
        segments (list[Path]): All segments, in order.
        carry (Carry, optional): What of the source goes over.
        offset (Fraction): Seconds taken off all timestamps (a part of the source).
        end (Fraction, optional): Time in the source where copying ends.

    Returns:
        frozenset[int]: The source's streams of which there was anything.

    Raises:
        ValueError: The segments were encoded by different versions of the encoder.
        RuntimeError: The segments do not fit each other otherwise.
    """
    if carry is None:
        join(path, spec, segments)
        return frozenset()
    with open_source(carry.source) as source:
        others = Others(source, carry, Timeline(source).packets(), offset, end)
        join(path, spec, segments, others, offset)
    with open(path, 'rb+') as file:
        os.fsync(file.fileno())
    return frozenset(others.found)


def join(path: Path, spec: EncodeSpec, segments: list[Path], others: Others | None = None,
         offset: Fraction = Fraction(0)) -> None:
    """Write a file of segments and what goes over; see :func:`write_container`."""
    footers = [read_footer(segment) for segment in segments]
    flags = ['faststart'] if spec.container in ('mp4', 'mov') else []
    if flags and others is not None and others.carry.free_tags:
        flags.append('use_metadata_tags')
    with av.open(os.path.abspath(path), 'w', format=spec.container,
                 container_options={'movflags': '+'.join(flags)} if flags else {}) as output:
        video = output.add_stream(spec.codec, rate=spec.rate, time_base=spec.time_base)
        assert isinstance(video, av.VideoStream)
        configure(video.codec_context, spec)
        if spec.codec in _CODEC_TAGS and spec.container in ('mp4', 'mov'):
            video.codec_context.codec_tag = _CODEC_TAGS[spec.codec]
        if spec.display_matrix is not None:
            video.set_display_matrix(spec.display_matrix)
        if others is not None:
            others.add_to(output, video)
        if spec.alpha_beside and spec.container in ('webm', 'matroska'):
            video.metadata['alpha_mode'] = '1'
        output.start_encoding()
        extradata = bytes(video.codec_context.extradata or b'')
        if any(footer.extradata != extradata for footer in footers):
            raise ValueError('the segments were encoded with another version of the '
                             'encoder: start again with --no-resume')
        _interleave(output, _video_packets(segments, video, spec, offset),
                    others.packets() if others is not None else iter(()))


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
            if stored.alpha:
                packet.set_sidedata(_side_data(stored.alpha))
            yield packet.dts * spec.time_base, packet
            index += 1


def _side_data(alpha: bytes) -> PacketSideData:
    data = PacketSideData(  # type: ignore[call-arg]  # what PyAV says of it is wrong
        packet_sidedata_type_from_literal(ALPHA_OF_VPX), len(alpha))
    data.update(alpha)
    return data


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


def _interleave(output: OutputContainer, *streams: Iterator[tuple[Fraction, av.Packet]]) -> None:
    for _, packet in heapq.merge(*streams, key=lambda item: item[0]):
        output.mux(packet)
