"""Boxes of MP4 and QuickTime files, for the little that FFmpeg does not hand on."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO


def movie_duration(path: Path) -> Fraction | None:
    """Seconds that an MP4 or QuickTime file lasts, as its header says; None where it does not."""
    with open(path, 'rb') as file:
        end = _enter(file, b'moov', 1 << 62)
        if end is None or _enter(file, b'mvhd', end) is None:
            return None
        version = file.read(4)[:1]
        numbers = struct.unpack('>QQIQ' if version == b'\1' else '>IIII',
                                file.read(28 if version == b'\1' else 16))
    return Fraction(numbers[3], numbers[2]) if numbers[2] and numbers[3] else None


def _enter(file: BinaryIO, name: bytes, end: int) -> int | None:
    """Go to the content of the next box of a name that lies before ``end``; returns its end."""
    while file.tell() < end:
        begin, header = file.tell(), file.read(8)
        if len(header) < 8:
            return None
        size, kind = struct.unpack('>I4s', header)
        if size == 1:
            size = struct.unpack('>Q', file.read(8).rjust(8, b'\0'))[0]
        if kind == name:
            return begin + size if size else end
        if size < 8:
            return None
        file.seek(begin + size)
    return None
