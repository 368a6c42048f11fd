"""What goes from the source into the output beside the restored pictures."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
from av.container import InputContainer, OutputContainer
from av.stream import Disposition

from .contents import Contents, copied_tags, film_stream
from .timeline import RisingTimes
from .transfers import Transfer, Way, add_transfer, stream_tags

if TYPE_CHECKING:  # PyAV has it for type checkers alone
    from av.container.core import Chapter


@dataclasses.dataclass(frozen=True)
class Carry:
    """What goes over, found out by :func:`~cdvd_mm.video.carry.plan_carry`.

    Args:
        source (Path): The file.
        ways (dict[int, Way]): How, by number of the stream; what is not here stays behind.
        chapters (list[Chapter]): The source's chapters, in the time that begins at 0.
        covers (dict[int, bytes]): The pictures of covers.
        timecode (bool): Write the clock of the source's film.
        free_tags (bool): Write tags under any name, which takes the place of mp4's own short list.
        expected (Contents | None): What the output is going to carry.
        losses (tuple[str, ...]): What is lost or changed, in words.
    """

    source: Path
    ways: dict[int, Way]
    chapters: list[Chapter]
    covers: dict[int, bytes]
    timecode: bool = True
    free_tags: bool = False
    expected: Contents | None = None
    losses: tuple[str, ...] = ()


class Others:
    """Streams, tags and chapters on their way from an open source into an output.

    Args:
        source (InputContainer): The source.
        carry (Carry): What goes over.
        packets (Iterator[av.Packet]): The source's packets.
        offset (Fraction): Seconds taken off all timestamps.
        end (Fraction, optional): Time in the source where copying ends.

    Attributes:
        found (set[int]): The source's streams of which there was anything.
    """

    def __init__(self, source: InputContainer, carry: Carry, packets: Iterator[av.Packet],
                 offset: Fraction = Fraction(0), end: Fraction | None = None) -> None:
        self.carry = carry
        self.found: set[int] = set()
        self._source = source
        self._packets = packets
        self._offset = offset
        self._end = end
        self._transfers: dict[int, Transfer] = {}
        self._before: dict[int, list[av.Packet]] = {}
        self._rising: RisingTimes | None = None

    def add_to(self, output: OutputContainer, video: av.VideoStream) -> None:
        """Add streams, tags and chapters to an output that is not started yet."""
        self._rising = RisingTimes(output)
        for index, way in self.carry.ways.items():
            self._transfers[index] = add_transfer(output, self._source.streams[index], way,
                                                  self.carry.covers.get(index, b''))
        film = film_stream(self._source)
        assert film is not None
        video.metadata.update(stream_tags(film, output.format.name))
        video.metadata.pop('alpha_mode', None)  # of the pictures that are not copied
        video.disposition = film.disposition
        output.metadata.update(copied_tags(self._source.metadata))
        if not self.carry.timecode:
            for tags in (output.metadata, video.metadata):
                tags.pop('timecode', None)
        output.set_chapters(shifted_chapters(self.carry.chapters, self._offset, self._end))

    def packets(self) -> Iterator[tuple[Fraction, av.Packet]]:
        """Packets to be muxed, with their times, ``offset`` seconds earlier."""
        while True:
            try:
                packet = next(self._packets, None)
            except av.FFmpegError:
                break  # the end of a truncated file
            if packet is None:
                break
            transfer = self._transfers.get(packet.stream.index)
            if transfer is None or packet.size == 0:
                continue
            for chosen in self._chosen(packet):
                self.found.add(packet.stream.index)
                yield from self._timed(transfer(chosen))
        for transfer in self._transfers.values():
            yield from self._timed(transfer.flush())

    def _timed(self, packets: list[av.Packet]) -> Iterator[tuple[Fraction, av.Packet]]:
        assert self._rising is not None
        for packet in packets:
            self._rising.correct(packet)
            time = packet.dts if packet.pts is None else packet.pts
            yield (time or 0) * (packet.time_base or Fraction(0)), packet

    def _chosen(self, packet: av.Packet) -> list[av.Packet]:
        """The packet at its new time if it lies in the part wanted, and what it needs."""
        stream, unit = packet.stream, packet.time_base
        if stream.disposition & Disposition.attached_pic:
            packet.pts = packet.dts = 0
            return [packet]
        if packet.pts is None or unit is None:
            return []
        time = packet.pts * unit
        if self._end is not None and time >= self._end:
            return []
        early = bool(self._offset) and time + (packet.duration or 0) * unit <= self._offset
        shift = round(self._offset / unit)
        packet.pts -= shift
        if packet.dts is not None:
            packet.dts -= shift
        if early and stream.type != 'video':
            return []
        needed = self._before.pop(stream.index, [])
        if packet.is_keyframe:
            needed = []
        if early:  # pictures are decoded from a key frame on
            self._before[stream.index] = [*needed, packet]
            return []
        return [*needed, packet]


def shifted_chapters(chapters: list[Chapter], offset: Fraction,
                     end: Fraction | None) -> list[Chapter]:
    """Chapters of the part between two times, in seconds from its beginning."""
    kept: list[Chapter] = []
    for chapter in chapters:
        unit = chapter['time_base'] or Fraction(1)
        first = max(Fraction(0), chapter['start'] * unit - offset)
        last = chapter['end'] * unit - offset
        if end is not None:
            last = min(last, end - offset)
        if first < last:
            kept.append({'id': chapter['id'], 'start': round(first / unit),
                         'end': round(last / unit), 'time_base': unit,
                         'metadata': chapter['metadata']})
    return kept
