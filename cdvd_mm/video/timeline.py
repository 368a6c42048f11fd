"""Times of packets and frames: from 0 on, without jumps, rising.

A file's clock need not begin at 0, may be set anew in the middle (joined recordings) and need not
even rise. What is done about it is what FFmpeg's program does when it copies and encodes, so that
frames and copied packets stay together.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import cast

import av
from av.container import InputContainer, OutputContainer
from av.format import Flags

_GAP = Fraction(10)  # seconds: FFmpeg's -dts_delta_threshold
_BACK = Fraction(1, 10)


class Timeline:
    """Gives the packets of a file times that begin at 0 and do not jump.

    All streams are shifted alike. Jumps are looked for only in formats whose clock may be set anew
    (transport and program streams, say): elsewhere a gap is meant.

    Args:
        container (InputContainer): The file.

    Attributes:
        start (Fraction): The file's own time of what becomes 0, in seconds.
        may_jump (bool): The format's clock may be set anew.
        num_jumps (int): Jumps that were found.
    """

    def __init__(self, container: InputContainer) -> None:
        self._container = container
        self.start = Fraction(container.start_time or 0, av.time_base)
        self.num_jumps = 0
        self.may_jump = bool(container.format.flags & cast(int, Flags.ts_discont.value))
        self._offset = -self.start
        self._last: Fraction | None = None  # time of the packet before this one
        self._streams: dict[int, tuple[Fraction, Fraction]] = {}  # last time, time expected next

    def packets(self) -> Iterator[av.Packet]:
        """Read all packets of all streams."""
        for packet in self._container.demux():
            if packet.time_base is not None:
                self._correct(packet)
            yield packet

    def _correct(self, packet: av.Packet) -> None:
        if self.may_jump and packet.dts is not None and packet.stream.type in ('video', 'audio'):
            self._follow(packet)
        shift = round(self._offset / packet.time_base)
        if packet.pts is not None:
            packet.pts += shift
        if packet.dts is not None:
            packet.dts += shift

    def _follow(self, packet: av.Packet) -> None:
        """Look for a jump before a packet, and take it out of the offset."""
        assert packet.dts is not None
        time, index = packet.dts * packet.time_base + self._offset, packet.stream.index
        last, expected = self._streams.get(index, (None, self._last))
        if expected is not None and (
                abs(time - expected) > _GAP or (last is not None and time + _BACK < last)):
            self._offset -= time - expected
            self.num_jumps += 1
            time = expected
        duration = (packet.duration or 0) * packet.time_base
        if not duration and isinstance(packet.stream, av.VideoStream) \
                and packet.stream.average_rate:
            duration = 1 / packet.stream.average_rate
        self._last = time
        self._streams[index] = time, time + duration


class FrameTimes:
    """Rising times of decoded frames.

    Files that know only decoding times (AVI) have frames whose presentation times are guesses: as
    soon as those turned out to be wrong more often than the decoding times, the latter count
    (FFmpeg's best-effort rule).

    Args:
        step (int): Distance of frames that have no time, as long as none says its duration.
    """

    def __init__(self, step: int) -> None:
        self._step = step
        self._last: int | None = None
        self._last_pts: int | None = None
        self._last_dts: int | None = None
        self._faulty_pts = self._faulty_dts = 0

    def __call__(self, frame: av.VideoFrame) -> tuple[int, int]:
        """Time and duration of the next frame, in units of its time base."""
        pts, dts = frame.pts, frame.dts
        if dts is not None:
            self._faulty_dts += self._last_dts is not None and dts <= self._last_dts
            self._last_dts = dts
        if pts is not None:
            self._faulty_pts += self._last_pts is not None and pts <= self._last_pts
            self._last_pts = pts
        best = pts if self._faulty_pts <= self._faulty_dts else dts
        if self._last is None:
            best = best or 0
        elif best is None:
            best = self._last + self._step
        elif best <= self._last:
            best = self._last + 1
        if frame.duration or self._last is not None:
            self._step = int(frame.duration or best - (self._last or 0))
        self._last = best
        return best, self._step


class RisingTimes:
    """Gives copied packets decoding times that a container takes: rising in every stream.

    Args:
        output (OutputContainer): The file to be written.
    """

    def __init__(self, output: OutputContainer) -> None:
        self._step = 0 if output.format.flags & cast(int, Flags.ts_nonstrict.value) else 1
        self._last: dict[int, int] = {}

    def correct(self, packet: av.Packet) -> None:
        """Set the times of a packet right, in units of the stream that it goes into."""
        base = packet.stream.time_base
        if base is None:
            return
        pts, dts, duration = (None if value is None else round(value * packet.time_base / base)
                              for value in (packet.pts, packet.dts, packet.duration))
        packet.time_base, packet.duration = base, duration or 0
        least = self._last.get(packet.stream.index)
        if pts is not None and dts is not None and dts > pts:  # FFmpeg takes the middle one
            dts = pts = sorted((pts, dts, pts if least is None else least + 1))[1]
        dts = pts if dts is None else dts
        if dts is None:
            return
        if least is not None and dts < least + self._step:
            dts = least + self._step
            pts = dts if pts is None else max(pts, dts)
        packet.pts, packet.dts = pts, dts
        self._last[packet.stream.index] = dts
