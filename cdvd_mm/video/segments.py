"""Encoded packets on disk, between the encoder and the finished file.

A run writes its result as a row of short segments, each encoded on its own and
complete on its own. A segment carries its final name only once it is whole, so
that whatever an interrupted run leaves behind can be used as it is, and the
finished file is put together from them without decoding anything again.

File format: packets (header ``<qqQQI`` = pts, dts, lengths, key frame; then the
bytes, and those of the transparency), a JSON footer, its length (``<I``) and the magic bytes.
"""

import base64
import dataclasses
import json
import os
import re
import struct
from collections.abc import Iterator
from pathlib import Path

_MAGIC = b'cdvd-se2'
_HEADER = struct.Struct('<qqQQI')
_NAME = re.compile(r'^segment-(\d{8})-(\d{6})\.pkt$')


@dataclasses.dataclass(frozen=True)
class StoredPacket:
    """One encoded packet: timestamps in the encoder's time base, its bytes, VP9's transparency."""

    pts: int
    dts: int
    is_keyframe: bool
    data: bytes
    alpha: bytes = b''


class SegmentWriter:
    """Writes one segment; nothing carries its name before :meth:`close`.

    Args:
        folder (Path): Where to.
        first (int): Index of its first frame among all frames of the output.
    """

    def __init__(self, folder: Path, first: int) -> None:
        self.folder = folder
        self.first = first
        self.count = 0
        self._path = folder / f'segment-{first:08d}.tmp'
        self._file = open(self._path, 'wb')

    def add(self, packet: StoredPacket) -> None:
        """Append a packet."""
        self._file.write(_HEADER.pack(packet.pts, packet.dts, len(packet.data),
                                      len(packet.alpha), int(packet.is_keyframe)))
        self._file.write(packet.data + packet.alpha)
        self.count += 1

    def close(self, extradata: bytes, last_duration: int) -> Path:
        """Finish the segment and give it its name.

        Args:
            extradata (bytes): The encoder's global header.
            last_duration (int): Duration of its last frame.

        Returns:
            Path: The finished segment.
        """
        footer = json.dumps({
            'first': self.first, 'count': self.count, 'last_duration': last_duration,
            'extradata': base64.b64encode(extradata).decode(),
        }).encode()
        self._file.write(footer + struct.pack('<I', len(footer)) + _MAGIC)
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        path = self.folder / f'segment-{self.first:08d}-{self.count:06d}.pkt'
        os.replace(self._path, path)
        return path

    def discard(self) -> None:
        """Drop an unfinished segment."""
        self._file.close()
        self._path.unlink(missing_ok=True)


def write_segment(folder: Path, first: int, packets: list[StoredPacket], extradata: bytes = b'',
                  last_duration: int = 0) -> Path:
    """Write a whole segment at once (see :class:`SegmentWriter`)."""
    writer = SegmentWriter(folder, first)
    for packet in packets:
        writer.add(packet)
    return writer.close(extradata, last_duration)


@dataclasses.dataclass(frozen=True)
class Footer:
    """What stands at the end of a segment.

    Args:
        first (int): Index of its first frame among all frames of the output.
        count (int): Number of its packets.
        last_duration (int): Duration of its last frame, in the encoder's time base.
        extradata (bytes): The encoder's global header.
        data_size (int): Bytes of all packets with their headers.
    """

    first: int
    count: int
    last_duration: int
    extradata: bytes
    data_size: int


def read_footer(path: Path) -> Footer:
    """The footer of a segment.

    Raises:
        ValueError: The file is no whole segment.
    """
    size = path.stat().st_size
    tail = 4 + len(_MAGIC)
    with open(path, 'rb') as file:
        if size >= tail:
            file.seek(size - tail)
            length, magic = struct.unpack('<I', file.read(4))[0], file.read()
            if magic == _MAGIC and length + tail <= size:
                file.seek(size - tail - length)
                footer = json.loads(file.read(length))
                return Footer(footer['first'], footer['count'], footer['last_duration'],
                              base64.b64decode(footer['extradata']), size - tail - length)
    raise ValueError(f'{path} is not a whole segment: delete it, or start again with --no-resume')


def read_segment(path: Path, with_data: bool = True) -> Iterator[StoredPacket]:
    """Yield the packets of a segment in coding order (without their bytes if so asked)."""
    end = read_footer(path).data_size
    with open(path, 'rb') as file:
        while file.tell() < end:
            pts, dts, size, alpha_size, key = _HEADER.unpack(file.read(_HEADER.size))
            data = alpha = b''
            if with_data:
                data, alpha = file.read(size), file.read(alpha_size)
            else:
                file.seek(size + alpha_size, 1)
            yield StoredPacket(pts, dts, bool(key), data, alpha)


class SegmentStore:
    """The segments of one output.

    Args:
        folder (Path): Their folder, which exists.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def paths(self) -> list[Path]:
        """Whole segments that follow each other from frame 0 on."""
        found = {}
        for path in self.folder.iterdir():
            match = _NAME.match(path.name)
            if match:
                found[int(match[1])] = (int(match[2]), path)
        paths, first = [], 0
        while first in found:
            count, path = found[first]
            paths.append(path)
            first += count
            if count == 0:
                break
        return paths

    def num_frames(self) -> int:
        """Frames in :meth:`paths`."""
        return sum(read_footer(path).count for path in self.paths())

    def drop_leftovers(self) -> None:
        """Remove what no row of segments uses (unfinished ones, ones after a gap)."""
        used = set(self.paths())
        for path in list(self.folder.glob('segment-*')):
            if path not in used:
                path.unlink()
