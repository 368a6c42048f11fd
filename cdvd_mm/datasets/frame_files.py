"""Frames in files: 8 bit RGB, PNG or JPEG. Read, written, and checked without decoding them."""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO

import cv2
import numpy as np
from mmengine.fileio import get_file_backend
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from cdvd_mm.files import write_atomically

from .records import FrameError

IMAGE_SUFFIXES = ('.png', '.jpg', '.jpeg')

#: By the first bytes of a file: its format, Pillow's reader of the header, the last bytes.
_FORMATS = {b'\x89PNG\r\n\x1a\n': ('PNG', PngImageFile, b'\x00\x00\x00\x00IEND\xaeB`\x82'),
            b'\xff\xd8': ('JPEG', JpegImageFile, b'\xff\xd9')}
_MODES = {'1': 'grey', 'L': 'grey', 'P': 'palette', 'LA': 'grey with alpha'}
_TAIL = 1024
_PNG_HEADER = 33  # bytes of the signature and the first chunk
_CONVERT = ('convert it to 8 bit RGB without alpha (`ffmpeg -i IN -pix_fmt rgb24 OUT.png` or '
            '`magick IN -alpha off -depth 8 -type TrueColor OUT.png`)')
_FETCH_AGAIN = 'copy or download it again'


@dataclass(frozen=True)
class FrameHeader:
    """Size of a frame in pixels and its file format, 'PNG' or 'JPEG'."""

    height: int
    width: int
    format: str


def probe_frame(path: str) -> FrameHeader:
    """Check a frame without decoding it: format, kind of pixels, size, end of file.

    Args:
        path: A PNG or JPEG file.

    Returns:
        Its size and format.

    Raises:
        FrameError: The file is missing, unreadable, empty, truncated, of another format, or not
            8 bit RGB.
    """
    try:
        with open(path, 'rb') as file:
            return read_header(file, path)
    except OSError as error:
        raise _os_error(path, error) from error


def read_header(file: BinaryIO, path: str, deep: bool = False) -> FrameHeader:
    """As :func:`probe_frame`, of an open file.

    Args:
        file: The file.
        path: Its name, for messages.
        deep: Compare the checksums of a PNG's chunks as well.
    """
    head = file.read(8)
    if not head:
        raise FrameError(path, 'the file is empty', _FETCH_AGAIN)
    magic = next((magic for magic in _FORMATS if head.startswith(magic)), None)
    if magic is None:
        raise FrameError(path, f'neither PNG nor JPEG (it starts with {head!r})',
                         'replace it by an 8 bit RGB PNG or JPEG, or remove it')
    name, reader, end = _FORMATS[magic]
    file.seek(0)
    try:
        image = reader(file)
        depth_16 = bool(image.tile) and str(image.tile[0][3]).endswith('16B')
        start = file.tell()
        if deep and isinstance(image, PngImageFile) and image.tile:
            image.verify()
    except (SyntaxError, ValueError, EOFError, OSError) as error:
        if isinstance(error, OSError) and error.errno:
            raise
        raise FrameError(path, f'corrupt {name} ({error})', _FETCH_AGAIN) from error
    if depth_16:
        raise FrameError(path, f'16-bit {name}, expected 8 bit', _CONVERT)
    if image.mode != 'RGB':
        found = _MODES.get(image.mode, image.mode)
        raise FrameError(path, f'{found} {name}, expected RGB', _CONVERT)
    if not image.tile or not _has_end(file, start, end):
        raise FrameError(path, f'truncated {name} (its end is missing)', _FETCH_AGAIN)
    return FrameHeader(image.height, image.width, name)


def _has_end(file: BinaryIO, start: int, end: bytes) -> bool:
    """Whether the picture whose data begin at ``start`` is whole, whatever follows it.

    The marks cannot occur within a picture's data; they do occur in a thumbnail before them.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(max(start, size - _TAIL))
    if end in file.read():
        return True
    file.seek(start)
    return end in file.read()


def _os_error(path: str, error: OSError) -> FrameError:
    if isinstance(error, FileNotFoundError):
        return FrameError(path, 'missing', 'restore the file')
    if isinstance(error, PermissionError):
        return FrameError(path, 'permission denied',
                          f'make it readable (`chmod a+r {path!r}`, `chmod a+rx` for its folders)')
    return FrameError(path, f'cannot be read ({error.strerror or error})',
                      'check the file and the disk')


def decode_frame(content: bytes, path: str, deep: bool = False) -> np.ndarray:
    """Decode a PNG or JPEG.

    Args:
        content: The whole file.
        path: Its name, for messages.
        deep: Compare the checksums of a PNG's chunks as well.

    Returns:
        (h, w, 3) uint8, **BGR**. An EXIF orientation is not applied, so that the size is the one
        in the header.

    Raises:
        FrameError: Broken, or not 8 bit RGB.
    """
    header = read_header(BytesIO(content), path, deep)
    image = cv2.imdecode(np.frombuffer(content, np.uint8),
                         cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None or image.shape[:2] != (header.height, header.width):
        raise FrameError(path, f'corrupt {header.format}, it does not decode', _FETCH_AGAIN)
    return image


def read_bytes(path: str) -> bytes:
    """Content of a file, through MMEngine's file backend for that path.

    Raises:
        FrameError: Missing or unreadable.
    """
    try:
        return get_file_backend(path, enable_singleton=True).get(path)
    except OSError as error:
        raise _os_error(path, error) from error


def crop(image: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    """The part ``(top, left, height, width)`` of an image (h, w, c), as a view."""
    top, left, height, width = box
    return image[top:top + height, left:left + width]


def write_frame(path: str, image: np.ndarray, profile: bytes = b'') -> None:
    """Write a PNG so that the name never belongs to half a file.

    Args:
        path: File to write; its folder must exist.
        image: (h, w, 3) uint8, or uint16 for 16 bits a channel, RGB; (h, w, 4) with transparency.
        profile: An ICC profile that the file is to carry.

    Raises:
        OSError: As raised by the file system, with the path in it.
    """
    order = cv2.COLOR_RGB2BGR if image.shape[2] == 3 else cv2.COLOR_RGBA2BGRA
    done, encoded = cv2.imencode('.png', cv2.cvtColor(image, order),
                                 [cv2.IMWRITE_PNG_COMPRESSION, 3])
    if not done:
        raise OSError(f'{path}: the frame could not be encoded')
    content = encoded.tobytes()
    if profile:
        content = content[:_PNG_HEADER] + _profile_chunk(profile) + content[_PNG_HEADER:]
    write_atomically(path, content, sync=False)


def _profile_chunk(profile: bytes) -> bytes:
    """An ICC profile as PNG has it: a name, the method, and what is compressed by it."""
    content = b'iCCP' + b'ICC profile\0\0' + zlib.compress(profile)
    return struct.pack('>I', len(content) - 4) + content + struct.pack('>I', zlib.crc32(content))
