"""How a stream of the source gets into the output: copied, attached, or made anew."""

from __future__ import annotations

import dataclasses
from typing import Protocol

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.stream import Stream
from av.subtitles.stream import SubtitleStream

from .contents import StreamFacts, copied_tags

_BITS_PER_CHANNEL = 96_000
_SOUND = {'mp4': 'aac', 'mov': 'aac', 'matroska': 'aac', 'webm': 'libopus'}
_TEXT = {'mp4': 'mov_text', 'mov': 'mov_text', 'matroska': 'ass', 'webm': 'webvtt'}
# of files that give a number of channels alone
_LAYOUTS = {1: 'mono', 2: 'stereo', 6: '5.1', 8: '7.1'}
_TEXT_FORMATS = {'ass', 'mov_text', 'subrip', 'text', 'webvtt', 'microdvd', 'sami', 'ttml'}
_PICTURES = {'mjpeg': ('jpg', 'jpeg'), 'png': ('png', 'png'), 'bmp': ('bmp', 'bmp'),
             'gif': ('gif', 'gif'), 'webp': ('webp', 'webp'), 'tiff': ('tif', 'tiff')}


@dataclasses.dataclass(frozen=True)
class Way:
    """How a stream gets into the output.

    Args:
        encoder (str): FFmpeg's name; '': as it is.
        layout (str): Channels of sound that is encoded.
        attached (bool): A cover as an attached file.
    """

    encoder: str = ''
    layout: str = ''
    attached: bool = False

    def __str__(self) -> str:
        return f'encoded as {self.encoder}{f", {self.layout}" if self.layout else ""}'

    def codec(self, source: str) -> str:
        """The codec that a stream of this codec has then."""
        return av.codec.Codec(self.encoder, 'w').canonical_name if self.encoder else source


def ways_for(stream: Stream, facts: StreamFacts, container: str) -> list[Way]:
    """What to try for a stream, the best first."""
    if facts.kind == 'cover' and container in ('matroska', 'webm'):
        return [Way(attached=True)] if facts.codec in _PICTURES else []
    if facts.kind == 'data':
        return [Way()] if facts.codec else []  # muxers take unknown ones and write nonsense
    # PCM in mp4 is newer than what most players know
    ways = [Way()] if not (container == 'mp4' and facts.codec.startswith('pcm_')) else []
    if isinstance(stream, AudioStream) and facts.codec and container in _SOUND:
        layout = stream.codec_context.layout
        name = _LAYOUTS.get(layout.nb_channels, '') if layout.name.endswith('channels') \
            else layout.name
        ways += [Way(_SOUND[container], name) for name in dict.fromkeys((name, 'stereo')) if name]
    if facts.codec in _TEXT_FORMATS and container in _TEXT:
        ways.append(Way(_TEXT[container]))
    return ways


def stream_tags(source: Stream, container: str) -> dict[str, str]:
    """Tags of a stream's counterpart; mp4 and mov have a title as the name of its handler."""
    tags = copied_tags(source.metadata)
    if 'alpha_mode' in source.metadata:
        tags['alpha_mode'] = source.metadata['alpha_mode']
    if container in ('mp4', 'mov') and 'title' in tags:
        tags.setdefault('handler_name', tags['title'])
    return tags


class Transfer(Protocol):
    """Takes the packets of a stream of the source."""

    @property
    def stream(self) -> Stream:
        """The output's."""

    def __call__(self, packet: av.Packet) -> list[av.Packet]:
        """Packets of the output's stream, ready to be muxed."""

    def flush(self) -> list[av.Packet]:
        """What is left at the end."""


def add_transfer(output: OutputContainer, source: Stream, way: Way, cover: bytes) -> Transfer:
    """Give the output a stream for one of the source, with its tags and marks.

    Args:
        output (OutputContainer): Not started yet.
        source (Stream): The stream.
        way (Way): How.
        cover (bytes): The picture, of a cover.

    Raises:
        ValueError: The container does not take it.
        av.FFmpegError: Likewise.
    """
    transfer: Transfer
    if way.attached:
        transfer = _Attached(output, source, cover)
    elif way.encoder and isinstance(source, AudioStream):
        transfer = _EncodedSound(output, source, way)
    elif way.encoder and isinstance(source, SubtitleStream):
        transfer = _ConvertedText(output, source, way)
    else:
        transfer = _Copied(output, source)
    transfer.stream.metadata.update(stream_tags(source, output.format.name))
    transfer.stream.disposition = source.disposition
    return transfer


class _Copied:
    """Packets as they are."""

    def __init__(self, output: OutputContainer, source: Stream) -> None:
        self.stream = output.add_stream_from_template(source, opaque=True)

    def __call__(self, packet: av.Packet) -> list[av.Packet]:
        packet.stream = self.stream
        return [packet]

    def flush(self) -> list[av.Packet]:
        return []


class _Attached:
    """A cover as Matroska keeps it: an attached file."""

    def __init__(self, output: OutputContainer, source: Stream, cover: bytes) -> None:
        suffix, kind = _PICTURES[source.codec_context.codec.canonical_name]
        self.stream = output.add_attachment(
            source.metadata.get('filename', f'cover.{suffix}'),
            source.metadata.get('mimetype', f'image/{kind}'), cover)

    def __call__(self, packet: av.Packet) -> list[av.Packet]:
        return []

    def flush(self) -> list[av.Packet]:
        return []


class _EncodedSound:
    """Sound that is decoded and encoded again, at its rate or the next one that there is."""

    def __init__(self, output: OutputContainer, source: AudioStream, way: Way) -> None:
        wanted = source.codec_context.sample_rate
        rates = sorted(av.codec.Codec(way.encoder, 'w').audio_rates or [wanted])
        self._decoder = source.codec_context
        stream = output.add_stream(
            way.encoder, rate=next((rate for rate in rates if rate >= wanted), rates[-1]))
        assert isinstance(stream, AudioStream)
        context = stream.codec_context
        context.layout = way.layout
        context.bit_rate = _BITS_PER_CHANNEL * context.layout.nb_channels
        self.stream = stream

    def __call__(self, packet: av.Packet) -> list[av.Packet]:
        try:
            frames = self._decoder.decode(packet)
        except av.FFmpegError:
            return []
        return [out for frame in frames for out in self.stream.encode(frame)]

    def flush(self) -> list[av.Packet]:
        left = [out for frame in self._decoder.decode(None) for out in self.stream.encode(frame)]
        self._decoder.flush_buffers()
        return left + self.stream.encode(None)


class _ConvertedText:
    """Text subtitles in the words of another format."""

    def __init__(self, output: OutputContainer, source: SubtitleStream, way: Way) -> None:
        self._decoder = source.codec_context
        self._decoder.open(strict=False)
        stream = output.add_stream(way.encoder)
        assert isinstance(stream, SubtitleStream)
        stream.codec_context.subtitle_header = self._decoder.subtitle_header
        self.stream = stream

    def __call__(self, packet: av.Packet) -> list[av.Packet]:
        words = self._decoder.decode2(packet)
        if words is None or not len(words):
            return []
        converted = self.stream.codec_context.encode_subtitle(words)
        converted.stream, converted.time_base = self.stream, packet.time_base
        converted.pts = converted.dts = packet.pts
        converted.duration = packet.duration
        return [converted]

    def flush(self) -> list[av.Packet]:
        return []
