"""What of a source goes into an output beside the restored pictures: found by trying it."""

from __future__ import annotations

import dataclasses
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
from av.container import InputContainer

from .container import join
from .contents import (
    Contents,
    StreamFacts,
    common,
    differences,
    film_stream,
    look_at,
    missing_streams,
)
from .encoder import SegmentEncoder, ffmpeg_messages
from .encoding import EncodeSpec
from .file_reader import open_source
from .others import Carry, Others, shifted_chapters
from .segments import SegmentWriter, read_segment
from .timeline import Timeline
from .transfers import Way, ways_for

if TYPE_CHECKING:  # PyAV has it for type checkers alone
    from av.container.core import Chapter

_PACKETS_LOOKED_AT = 5000
_SAMPLES = 4
# A stream of which there is nothing at the beginning (subtitles) is tried with this.
_WORD = {'mov_text': b'\0\1x', 'ass': b'0,0,Default,,0,0,0,,x'}


def plan_carry(spec: EncodeSpec, source: Path | None = None, offset: Fraction = Fraction(0),
               end: Fraction | None = None) -> Carry | None:
    """Make a file of one grey picture and of samples of all that the source carries, and read it.

    Args:
        spec (EncodeSpec): How the pictures are encoded.
        source (Path, optional): The source; None: the encoder and the container are tried alone.
        offset (Fraction): Time in the source at which the output begins.
        end (Fraction, optional): Time at which it ends.

    Returns:
        Carry | None: For :func:`~cdvd_mm.video.write_container`.

    Raises:
        ValueError: The encoder or the container refuses, with FFmpeg's reason.
    """
    with tempfile.TemporaryDirectory(prefix='cdvd_mm-') as folder:
        segment = _grey_segment(spec, Path(folder))
        trial = Path(folder) / 'trial'
        try:
            with ffmpeg_messages() as messages:
                join(trial, spec, [segment])
        except (av.FFmpegError, ValueError) as error:
            raise ValueError(f'{spec.container} cannot hold what {spec.codec} makes: '
                             f'{"; ".join(messages) or error}') from error
        if source is None:
            return None
        with open_source(source) as container:
            return _Trials(trial, spec, segment, source, container, offset, end).plan()


def left_behind(source: Path) -> list[str]:
    """What a folder of pictures does not have of a file."""
    with open_source(source) as container:
        contents = look_at(container)
    return differences(contents, Contents(contents.streams[:1], {}, ()))


def check_output(path: Path, spec: EncodeSpec, segments: list[Path], carry: Carry | None = None,
                 found: frozenset[int] = frozenset(), offset: Fraction = Fraction(0),
                 end: Fraction | None = None) -> list[str]:
    """Read a finished file back: frames, duration, streams, tags, chapters.

    Args:
        path (Path): The file.
        spec (EncodeSpec): With what :func:`~cdvd_mm.video.write_container` was called, as are the
            others.
        segments (list[Path]): Likewise.
        carry (Carry, optional): Likewise.
        found (frozenset[int]): What it returned.
        offset (Fraction): Likewise.
        end (Fraction, optional): Likewise.

    Returns:
        list[str]: What is not as it should be, in words.
    """
    with open_source(path) as output:
        problems = _check_film(output, spec, segments)
        contents = look_at(output)
    if carry is not None and carry.expected is not None:
        streams = tuple(stream for stream in carry.expected.streams if stream.kind == 'attachment'
                        or stream.index in found or stream.index not in carry.ways
                        or carry.ways[stream.index].attached)
        chapters = _titles(shifted_chapters(carry.chapters, offset, end)) \
            if carry.expected.chapters else ()
        problems += differences(Contents(streams, carry.expected.tags, chapters), contents)
    return problems


def _check_film(output: InputContainer, spec: EncodeSpec, segments: list[Path]) -> list[str]:
    """Number of frames, and time from the first to the last within one of them."""
    stored = [packet.pts for path in segments for packet in read_segment(path, with_data=False)]
    film = film_stream(output)
    assert film is not None and film.time_base is not None
    times = [packet.pts or 0 for packet in output.demux(film) if packet.size]
    if len(times) != len(stored):
        return [f'{len(times)} of {len(stored)} frames are in it']
    # from first to last frame: mp4 counts its duration by when frames are decoded
    seconds, expected = ((max(found) - min(found)) * unit for found, unit in (
        (times, film.time_base), (stored, spec.time_base)))
    if abs(seconds - expected) > max(1 / spec.rate, 2 * film.time_base):
        return [f'its last frame comes after {float(seconds):.3f} s, not {float(expected):.3f} s']
    return []


def _grey_segment(spec: EncodeSpec, folder: Path) -> Path:
    encoder = SegmentEncoder(spec, SegmentWriter(folder, 0))
    try:
        encoder.encode(np.full((spec.height, spec.width, 3), 128, np.uint8), 0, 1)
        return encoder.finish()
    finally:
        encoder.writer.discard()


class _Trials:
    """Files of a grey picture and samples of the source, written to see what is in them then."""

    def __init__(self, path: Path, spec: EncodeSpec, segment: Path, source: Path,
                 container: InputContainer, offset: Fraction, end: Fraction | None) -> None:
        self._path = path
        self._spec = spec
        self._segment = segment
        self._container = container
        self._contents = look_at(container)
        self._samples = _samples(container, self._contents)
        chapters = shifted_chapters(container.chapters(), Timeline(container).start, None)
        self._chapters = shifted_chapters(chapters, offset, end)
        self._carry = Carry(source, {}, chapters, {
            stream.index: bytes(self._samples[stream.index][0])
            for stream in self._contents.streams if stream.kind == 'cover'})

    def plan(self) -> Carry:
        """Try every stream alone, then all of them."""
        others = self._contents.streams[1:]
        if self._try(self._carry) is None:  # a clock that does not fit the rate
            self._carry = dataclasses.replace(self._carry, timecode=False)
        for stream in others:
            self._carry.ways.update(self._way(stream))
        found = self._all_that_go_together()
        if self._spec.container in ('mp4', 'mov'):
            free = dataclasses.replace(self._carry, free_tags=True)
            found_free = self._try(free)
            if found_free is not None and len(self._lost(found_free)) < len(self._lost(found)):
                self._carry, found = free, found_free
        ways = self._carry.ways
        changes = [f'{stream}: {ways[stream.index]}' if stream.index in ways else
                   f'{stream}: left out' for stream in others if stream.index not in ways
                   or ways[stream.index].encoder]
        return dataclasses.replace(self._carry, expected=common(self._wanted(), found),
                                   losses=(*changes, *self._lost(found)))

    def _way(self, stream: StreamFacts) -> dict[int, Way]:
        for way in ways_for(self._container.streams[stream.index], stream, self._spec.container):
            alone = {stream.index: way}
            found = self._try(dataclasses.replace(self._carry, ways=alone))
            if found is not None and not missing_streams(self._wanted(alone), found):
                return alone
        return {}

    def _all_that_go_together(self) -> Contents:
        """Leave streams out, the last first, until a file of all others has all others."""
        while True:
            found = self._try(self._carry)
            lost = [] if found is None else missing_streams(self._wanted(), found)
            if found is not None and not lost:
                return found
            if found is None and not self._carry.ways:
                raise ValueError(f'{self._spec.container} does not take the tags of '
                                 f'{self._carry.source}: choose another container')
            for index in [stream.index for stream in lost] or list(self._carry.ways)[-1:]:
                del self._carry.ways[index]

    def _wanted(self, ways: dict[int, Way] | None = None) -> Contents:
        """What the source carries, as it is to be found in the output."""
        ways = self._carry.ways if ways is None else ways
        film, *others = self._contents.streams
        streams = [dataclasses.replace(stream, codec=ways[stream.index].codec(stream.codec))
                   for stream in others if stream.index in ways]
        return Contents((film, *streams), self._contents.tags, _titles(self._chapters))

    def _lost(self, found: Contents) -> list[str]:
        return differences(self._wanted(), found)

    def _try(self, carry: Carry) -> Contents | None:
        """What is in a file of all this; None: it is refused."""
        packets = (_copy(packet) for index in carry.ways for packet in self._samples[index])
        try:
            with ffmpeg_messages():
                join(self._path, self._spec, [self._segment],
                     Others(self._container, dataclasses.replace(
                         carry, chapters=self._chapters), packets))
                with open_source(self._path) as output:
                    return look_at(output)
        except (av.FFmpegError, ValueError):
            return None


def _titles(chapters: list[Chapter]) -> tuple[str, ...]:
    return tuple(chapter['metadata'].get('title', '') for chapter in chapters)


def _samples(container: InputContainer, contents: Contents) -> dict[int, list[av.Packet]]:
    """The first packets of every stream but the film."""
    samples: dict[int, list[av.Packet]] = {stream.index: [] for stream in contents.streams[1:]}
    for number, packet in enumerate(container.demux()):
        found = samples.get(packet.stream.index)
        if found is not None and packet.size and len(found) < _SAMPLES:
            found.append(packet)
        if number == _PACKETS_LOOKED_AT or all(len(s) == _SAMPLES for s in samples.values()):
            break
    for stream in contents.streams[1:]:
        if not samples[stream.index] and stream.kind != 'attachment':
            word = av.Packet(_WORD.get(stream.codec, b'x'))
            word.stream = container.streams[stream.index]
            word.time_base = word.stream.time_base
            word.pts = word.dts = 0
            word.duration = 1
            samples[stream.index] = [word]
    return samples


def _copy(packet: av.Packet) -> av.Packet:
    """A packet of its own: muxing changes it."""
    copy = av.Packet(bytes(packet))
    copy.stream, copy.time_base = packet.stream, packet.time_base
    copy.pts, copy.dts, copy.duration = packet.pts, packet.dts, packet.duration
    copy.is_keyframe = packet.is_keyframe
    return copy
