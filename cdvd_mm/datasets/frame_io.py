"""Read frames, and tell a broken one from a good one by its first and last bytes.

A frame is a file (8 bit RGB, PNG or JPEG) or an entry of a frame store
(:mod:`cdvd_mm.datasets.frame_store`), written ``<store>::<split>/<video>/<blur|sharp>/<frame>``.
"""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass

import cv2
import numpy as np
from mmengine.fileio import get_file_backend

from cdvd_mm.files import write_atomically

IMAGE_SUFFIXES = ('.png', '.jpg', '.jpeg')
STORE_MARK = '::'

_PNG_SIGNATURE = b'\x89PNG\r\n\x1a\n'
_PNG_END = b'\x00\x00\x00\x00IEND\xaeB`\x82'
_PNG_COLOURS = {0: 'grey', 3: 'palette', 4: 'grey with alpha', 6: 'RGBA'}
_TAIL = 1024
_CONVERT = ('convert it to 8 bit RGB without alpha (`ffmpeg -i IN -pix_fmt rgb24 OUT.png` or '
            '`magick IN -alpha off -depth 8 -type TrueColor OUT.png`)')
_FETCH_AGAIN = 'copy or download it again'


class FrameError(ValueError):
    """A frame that cannot be used.

    Args:
        path: The frame.
        problem: What is wrong with it.
        remedy: What to do about it.
    """

    def __init__(self, path: str, problem: str = '', remedy: str = '') -> None:
        if problem:
            message = f'{path}: {problem}; {remedy}'
        else:  # a loader hands on an error of its worker as one text that ends with the message
            message = path.strip().splitlines()[-1].removeprefix(f'{__name__}.FrameError: ')
        super().__init__(message)
        self.path = str(path)
        self.problem = problem
        self.remedy = remedy

    def __reduce__(self):
        return type(self), (self.path, self.problem, self.remedy)


@dataclass(frozen=True)
class FrameHeader:
    """Size of a frame in pixels and its file format, 'png' or 'jpeg'."""

    height: int
    width: int
    format: str


def probe_frame(path: str) -> FrameHeader:
    """Check a frame without decoding it: signature, kind of pixels, size, end of file.

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
            head = file.read(64 * 1024)
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL))
            tail = file.read(_TAIL)
    except OSError as error:
        raise _os_error(path, error) from error
    return parse_header(path, head, tail)


def parse_header(path: str, head: bytes, tail: bytes) -> FrameHeader:
    """As :func:`probe_frame`, on the first 64 KiB and the last 1 KiB of a file."""
    if not head:
        raise FrameError(path, 'the file is empty', _FETCH_AGAIN)
    if head.startswith(_PNG_SIGNATURE):
        return _parse_png(path, head, tail)
    if head.startswith(b'\xff\xd8'):
        return _parse_jpeg(path, head, tail)
    raise FrameError(path, f'neither PNG nor JPEG (it starts with {head[:8]!r})',
                     'replace it by an 8 bit RGB PNG or JPEG, or remove it')


def _os_error(path: str, error: OSError) -> FrameError:
    if isinstance(error, FileNotFoundError):
        return FrameError(path, 'missing', 'restore the file')
    if isinstance(error, PermissionError):
        return FrameError(path, 'permission denied',
                          f'make it readable (`chmod a+r {path!r}`, `chmod a+rx` for its folders)')
    return FrameError(path, f'cannot be read ({error.strerror or error})',
                      'check the file and the disk')


def _parse_png(path: str, head: bytes, tail: bytes) -> FrameHeader:
    if len(head) < 33:
        raise FrameError(path, f'truncated PNG ({len(head)} bytes)', _FETCH_AGAIN)
    if head[12:16] != b'IHDR' or struct.unpack('>I', head[29:33])[0] != zlib.crc32(head[12:29]):
        raise FrameError(path, 'corrupt PNG header', _FETCH_AGAIN)
    width, height, depth, colour = struct.unpack('>IIBB', head[16:26])
    if depth == 16:
        raise FrameError(path, '16-bit PNG, expected 8 bit', _CONVERT)
    if colour != 2:
        found = _PNG_COLOURS.get(colour, f'colour type {colour}')
        raise FrameError(path, f'{found} PNG, expected RGB', _CONVERT)
    if _PNG_END not in tail:
        raise FrameError(path, 'truncated PNG (its end is missing)', _FETCH_AGAIN)
    return FrameHeader(height, width, 'png')


def _parse_jpeg(path: str, head: bytes, tail: bytes) -> FrameHeader:
    position = 2
    while position + 9 < len(head):
        if head[position] != 0xff:
            break
        marker = head[position + 1]
        if marker == 0xff:  # fill byte
            position += 1
            continue
        if 0xc0 <= marker <= 0xcf and marker not in (0xc4, 0xc8, 0xcc):
            precision, height, width, channels = struct.unpack(
                '>BHHB', head[position + 4:position + 10])
            if precision != 8:
                raise FrameError(path, f'{precision}-bit JPEG, expected 8 bit', _CONVERT)
            if channels != 3:
                found = 'grey' if channels == 1 else f'{channels}-channel'
                raise FrameError(path, f'{found} JPEG, expected RGB', _CONVERT)
            if b'\xff\xd9' not in tail:
                raise FrameError(path, 'truncated JPEG (its end is missing)', _FETCH_AGAIN)
            return FrameHeader(height, width, 'jpeg')
        position += 2 + struct.unpack('>H', head[position + 2:position + 4])[0]
    raise FrameError(path, 'truncated or corrupt JPEG (no size found in it)', _FETCH_AGAIN)


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
    header = parse_header(path, content[:64 * 1024], content[-_TAIL:])
    if deep and header.format == 'png':
        _check_png_chunks(path, content)
    image = cv2.imdecode(np.frombuffer(content, np.uint8),
                         cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None or image.shape[:2] != (header.height, header.width):
        raise FrameError(path, f'corrupt {header.format.upper()}, it does not decode',
                         _FETCH_AGAIN)
    return image


def _check_png_chunks(path: str, content: bytes) -> None:
    view, position = memoryview(content), 8
    while position + 12 <= len(content):
        length = struct.unpack_from('>I', content, position)[0]
        end = position + 8 + length
        if end + 4 > len(content):
            break
        if struct.unpack_from('>I', content, end)[0] != zlib.crc32(view[position + 4:end]):
            raise FrameError(path, f'corrupt PNG (checksum at byte {position} does not match)',
                             _FETCH_AGAIN)
        if content[position + 4:position + 8] == b'IEND':
            return
        position = end + 4
    raise FrameError(path, 'truncated PNG (its end is missing)', _FETCH_AGAIN)


def read_bytes(path: str) -> bytes:
    """Content of a file, through MMEngine's file backend for that path.

    Raises:
        FrameError: Missing or unreadable.
    """
    try:
        return get_file_backend(path, enable_singleton=True).get(path)
    except OSError as error:
        raise _os_error(path, error) from error


def read_frame(path: str, box: tuple[int, int, int, int] | None = None) -> np.ndarray:
    """Read a frame, or a part of it, from a file or a frame store.

    Args:
        path: A file, or ``<store>::<split>/<video>/<blur|sharp>/<frame>``.
        box: ``(top, left, height, width)`` of the part wanted. A store decodes nothing else; a
            PNG or JPEG file has to be decoded as a whole.

    Returns:
        (h, w, 3) uint8, RGB, contiguous.

    Raises:
        FrameError: Missing, unreadable or broken.
    """
    if STORE_MARK in path:
        from .frame_store import open_store
        root, name = path.split(STORE_MARK, 1)
        return open_store(root).read(name, box)
    image = decode_frame(read_bytes(path), path)
    if box is not None:
        image = crop(image, box)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def crop(image: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    """The part ``(top, left, height, width)`` of an image (h, w, c), as a view."""
    top, left, height, width = box
    return image[top:top + height, left:left + width]


def write_frame(path: str, image: np.ndarray) -> None:
    """Write a PNG so that the name never belongs to half a file.

    Args:
        path: File to write; its folder must exist.
        image: (h, w, 3) uint8, or uint16 for 16 bits a channel, RGB.

    Raises:
        OSError: As raised by the file system, with the path in it.
    """
    done, content = cv2.imencode('.png', cv2.cvtColor(image, cv2.COLOR_RGB2BGR),
                                 [cv2.IMWRITE_PNG_COMPRESSION, 3])
    if not done:
        raise OSError(f'{path}: the frame could not be encoded')
    write_atomically(path, content.tobytes(), sync=False)
