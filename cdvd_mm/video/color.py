"""Colour conversion between decoded frames and RGB arrays.

swscale is asked for full chroma interpolation and accurate rounding (its
defaults darken the picture by almost one 8-bit step in a round trip), and is
told matrix and range explicitly, from the stream's tags or, where a stream has
none, from the usual guess (BT.709 from 720 lines on, BT.601 below).
"""

import dataclasses

import av
import numpy as np
from av.video.reformatter import ColorRange

# SWS_BICUBIC, SWS_FULL_CHR_H_INT, SWS_FULL_CHR_H_INP, SWS_ACCURATE_RND
_SWS_FLAGS = 0x4 | 0x2000 | 0x4000 | 0x40000

# AVColorSpace of the stream -> coefficients of swscale: 1 BT.709, 4 FCC, 5 BT.601, 7 SMPTE 240M,
# 9 BT.2020 (as numbers: older PyAV lacks some of the names)
_BT709, _BT601 = 1, 5
_MATRICES = {1: _BT709, 4: 4, 5: _BT601, 6: _BT601, 7: 7, 9: 9, 10: 9}
_UNSPECIFIED = 2
_FULL_RANGE = int(ColorRange.JPEG)


@dataclasses.dataclass(frozen=True)
class ColorTags:
    """The colour description of a stream, in FFmpeg's numbers.

    Args:
        range (int): 1 limited, 2 full, 0 unknown.
        matrix (int): ``AVColorSpace`` (1 BT.709, 5/6 BT.601, 9 BT.2020, 2 unknown).
        primaries (int): ``AVColorPrimaries``.
        transfer (int): ``AVColorTransferCharacteristic``.
    """

    range: int = 0
    matrix: int = _UNSPECIFIED
    primaries: int = _UNSPECIFIED
    transfer: int = _UNSPECIFIED

    def coefficients(self, height: int) -> int:
        """The matrix of swscale for a picture of this height."""
        guess = _BT709 if height >= 720 else _BT601
        return _MATRICES.get(self.matrix, guess)

    def is_full(self, pix_fmt: str) -> bool:
        """Whether samples use the full range (the ``yuvj`` formats always do)."""
        return self.range == _FULL_RANGE or pix_fmt.startswith('yuvj')


def frame_to_rgb(frame: av.VideoFrame, tags: ColorTags, deep: bool) -> np.ndarray:
    """Convert a decoded frame to RGB.

    Args:
        frame (av.VideoFrame): Decoded frame, any pixel format.
        tags (ColorTags): Colour description of the stream.
        deep (bool): Give 16 instead of 8 bits a channel.

    Returns:
        np.ndarray: (h, w, 3), RGB, uint8 in [0, 255] or uint16 in [0, 65535].
    """
    full = ColorRange.JPEG if tags.is_full(frame.format.name) else ColorRange.MPEG
    if frame.format.is_rgb:
        full = ColorRange.JPEG
    matrix = tags.coefficients(frame.height)
    rgb = frame.reformat(
        format='rgb48le' if deep else 'rgb24', interpolation=_SWS_FLAGS, src_colorspace=matrix,
        dst_colorspace=matrix, src_color_range=full, dst_color_range=ColorRange.JPEG)
    return rgb.to_ndarray()


def rgb_to_frame(image: np.ndarray, pix_fmt: str, tags: ColorTags) -> av.VideoFrame:
    """Convert an RGB array to a frame to be encoded.

    Args:
        image (np.ndarray): (h, w, 3), RGB, uint8 or uint16 (full 16-bit range).
        pix_fmt (str): The encoder's pixel format.
        tags (ColorTags): Colour description of the stream to be written.

    Returns:
        av.VideoFrame: Frame in ``pix_fmt``, tagged.
    """
    deep = image.dtype == np.uint16
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), 'rgb48le' if deep else 'rgb24')
    if pix_fmt == frame.format.name:
        return frame
    full = ColorRange.JPEG if tags.is_full(pix_fmt) else ColorRange.MPEG
    matrix = tags.coefficients(frame.height)
    out = frame.reformat(
        format=pix_fmt, interpolation=_SWS_FLAGS, src_colorspace=matrix, dst_colorspace=matrix,
        src_color_range=ColorRange.JPEG, dst_color_range=full)
    if not out.format.is_rgb:
        out.color_range = int(full) if tags.range else 0
        out.colorspace = tags.matrix
    out.color_primaries = tags.primaries
    out.color_trc = tags.transfer
    return out
