"""Colour conversion between decoded frames and RGB arrays.

swscale brings chroma to full size and back (with its accurate settings: the defaults darken the
picture by almost one 8-bit step in a round trip) and leaves the values alone. Matrix and range are
applied here: swscale's own conversion shifts full range chroma by half a step. They come from the
stream's tags or, where a stream has none, from the usual guess (BT.709 from 720 lines on, BT.601
below).
"""

import dataclasses

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange

# SWS_BICUBIC, SWS_FULL_CHR_H_INT, SWS_FULL_CHR_H_INP, SWS_ACCURATE_RND
_SWS_FLAGS = 0x4 | 0x2000 | 0x4000 | 0x40000

# AVColorSpace -> weights of red and blue in luma
_WEIGHTS = {1: (.2126, .0722), 4: (.30, .11), 5: (.299, .114), 6: (.299, .114), 7: (.212, .087),
            9: (.2627, .0593), 10: (.2627, .0593)}
_YCGCO = 8
_UNSPECIFIED = 2
_LIMITED, _FULL = int(ColorRange.MPEG), int(ColorRange.JPEG)


@dataclasses.dataclass(frozen=True)
class ColorTags:
    """The colour description of a stream, in FFmpeg's numbers.

    Args:
        range (int): 1 limited, 2 full, 0 unknown.
        matrix (int): ``AVColorSpace`` (1 BT.709, 5/6 BT.601, 9 BT.2020, 2 unknown).
        primaries (int): ``AVColorPrimaries``.
        transfer (int): ``AVColorTransferCharacteristic``.
        lines (int): Height of the source's pictures, for the guess of an unknown matrix.
    """

    range: int = 0
    matrix: int = _UNSPECIFIED
    primaries: int = _UNSPECIFIED
    transfer: int = _UNSPECIFIED
    lines: int = 0

    def forward(self) -> np.ndarray:
        """The matrix (3, 3) from RGB in [0, 1] to luma in [0, 1] and chroma in [-0.5, 0.5]."""
        if self.matrix == _YCGCO:
            return np.array([[.25, .5, .25], [-.25, .5, -.25], [.5, 0, -.5]])
        red, blue = _WEIGHTS.get(self.matrix, _WEIGHTS[1 if self.lines >= 720 else 5])
        luma = np.array([red, 1 - red - blue, blue])
        return np.stack((luma, (np.eye(3)[2] - luma) / (2 - 2 * blue),
                         (np.eye(3)[0] - luma) / (2 - 2 * red)))

    def is_full(self, pix_fmt: str) -> bool:
        """Whether samples use the full range (the ``yuvj`` formats always do, grey mostly)."""
        return pix_fmt.startswith('yuvj') or self.range == _FULL or (
            self.range != _LIMITED and pix_fmt.startswith(('gray', 'ya')))


def frame_to_rgb(frame: av.VideoFrame, tags: ColorTags, deep: bool) -> np.ndarray:
    """Convert a decoded frame to RGB.

    Args:
        frame (av.VideoFrame): Decoded frame, any pixel format.
        tags (ColorTags): Colour description of the stream.
        deep (bool): Give 16 instead of 8 bits a channel.

    Returns:
        np.ndarray: (h, w, 3), RGB, uint8 in [0, 255] or uint16 in [0, 65535].
    """
    name = frame.format.name
    if frame.format.is_rgb or frame.format.has_palette:
        return frame.reformat(format='rgb48le' if deep else 'rgb24', interpolation=_SWS_FLAGS,
                              dst_color_range=_FULL).to_ndarray()
    full, depth = tags.is_full(name), frame.format.components[0].bits
    whole = chroma_of(frame.format) == '444' and not name.startswith(('gray', 'ya'))
    bits = depth if whole else 16
    planes = _read_planes(_same_values(frame, _name_444(bits), full))
    scale, offset = _samples(bits, depth, full)
    inverse = np.linalg.inv(tags.forward()) * (65535 if deep else 255) / scale
    rgb = cv2.transform(planes.astype(np.uint16, copy=False),
                        np.column_stack((inverse, -inverse @ offset)))
    return rgb if deep else np.minimum(rgb, 255).astype(np.uint8)


def alpha_of(frame: av.VideoFrame, deep: bool) -> np.ndarray:
    """The transparency (h, w) of a frame, of the type that :func:`frame_to_rgb` gives."""
    kind, peak = (np.uint16, 65535) if deep else (np.uint8, 255)
    if not has_alpha(frame.format) and not frame.format.has_palette:
        return np.full((frame.height, frame.width), peak, kind)
    bits = frame.format.components[-1].bits
    if len(frame.planes) == 4:
        samples = _rows(frame, 3, bits)[:, :frame.width]
        highest = (1 << bits) - 1
        return samples.astype(kind) if highest == peak else \
            ((samples.astype(np.uint32) * peak + highest // 2) // highest).astype(kind)
    return frame.reformat(format='rgba64le' if deep else 'rgba').to_ndarray()[..., 3]


def rgb_to_frame(image: np.ndarray, pix_fmt: str, tags: ColorTags) -> av.VideoFrame:
    """Convert an RGB array to a frame to be encoded.

    Args:
        image (np.ndarray): (h, w, 3), RGB, or (h, w, 4) with transparency, which goes into formats
            that have it; uint8 or uint16 (full 16-bit range).
        pix_fmt (str): The encoder's pixel format.
        tags (ColorTags): Colour description of the stream to be written.

    Returns:
        av.VideoFrame: Frame in ``pix_fmt``, tagged.
    """
    deep, target = image.dtype == np.uint16, av.VideoFormat(pix_fmt)
    alpha, image = image[..., 3:], image[..., :3]
    if target.is_rgb:
        if alpha.size and has_alpha(target):
            image = np.concatenate((image, alpha), axis=2)
        name = {3: ('rgb24', 'rgb48le'), 4: ('rgba', 'rgba64le')}[image.shape[2]][deep]
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), name)
        frame = frame.reformat(format=pix_fmt, interpolation=_SWS_FLAGS)
    else:
        full, bits = tags.is_full(pix_fmt), target.components[0].bits
        scale, offset = _samples(bits, bits, full)
        forward = tags.forward() * scale[:, None] / (65535 if deep else 255)
        planes = cv2.transform(image.astype(np.uint16, copy=False),
                               np.column_stack((forward, offset)))
        frame = _same_values(_write_planes(np.minimum(planes, (1 << bits) - 1), bits), pix_fmt,
                             full)
        frame.color_range = (_FULL if full else _LIMITED) if tags.range else 0
        frame.colorspace = tags.matrix
        if alpha.size and has_alpha(target):
            _write_alpha(frame, alpha[..., 0], bits)
    frame.color_primaries = tags.primaries
    frame.color_trc = tags.transfer
    return frame


def chroma_of(pix_fmt: av.VideoFormat) -> str:
    """How chroma is sampled, '444', '422', '420', '440', '411' or '410'; grey counts as 4:2:0."""
    if pix_fmt.is_rgb:
        return '444'
    if pix_fmt.has_palette or len(pix_fmt.components) < 3:
        return '420'
    return {(1, 1): '444', (2, 1): '422', (1, 2): '440', (4, 1): '411', (4, 4): '410'}.get(
        (64 // pix_fmt.chroma_width(64), 64 // pix_fmt.chroma_height(64)), '420')


def has_alpha(pix_fmt: av.VideoFormat) -> bool:
    """Whether a format has transparency (a palette's is not known before it is looked at)."""
    return any(component.is_alpha for component in pix_fmt.components)


def _name_444(bits: int) -> str:
    return 'yuv444p' if bits == 8 else f'yuv444p{bits}le'


def _samples(bits: int, depth: int, full: bool) -> tuple[np.ndarray, np.ndarray]:
    """Scale and offset (3, ) of luma and chroma of so many bits, of which ``depth`` count."""
    step = 1 << (bits - 8)
    white = ((1 << depth) - 1) << (bits - depth)
    scale = (white, white, white) if full else (219 * step, 224 * step, 224 * step)
    return np.array(scale, float), np.array((0 if full else 16, 128, 128), float) * step


def _same_values(frame: av.VideoFrame, pix_fmt: str, full: bool) -> av.VideoFrame:
    """Another layout; range and matrix stay."""
    if frame.format.name == pix_fmt:
        return frame
    kind = _FULL if full else _LIMITED
    return frame.reformat(format=pix_fmt, interpolation=_SWS_FLAGS, src_colorspace=1,
                          dst_colorspace=1, src_color_range=kind, dst_color_range=kind)


def _read_planes(frame: av.VideoFrame) -> np.ndarray:
    """The samples (h, w, 3) of a frame in a planar 4:4:4 format."""
    bits = frame.format.components[0].bits
    return cv2.merge([_rows(frame, index, bits)[:, :frame.width] for index in range(3)])


def _rows(frame: av.VideoFrame, plane: int, bits: int) -> np.ndarray:
    """The rows of a plane that is as large as the frame, with what fills them up."""
    kind = np.uint8 if bits == 8 else np.uint16
    return np.frombuffer(frame.planes[plane], kind).reshape(frame.height, -1)


def _write_planes(samples: np.ndarray, bits: int) -> av.VideoFrame:
    """A planar 4:4:4 frame of samples (h, w, 3)."""
    height, width = samples.shape[:2]
    frame = av.VideoFrame(width, height, _name_444(bits))
    for index, channel in enumerate(cv2.split(samples)):
        _rows(frame, index, bits)[:, :width] = channel
    return frame


def _write_alpha(frame: av.VideoFrame, alpha: np.ndarray, bits: int) -> None:
    peak, highest = np.iinfo(alpha.dtype).max, (1 << bits) - 1
    values = (alpha.astype(np.uint32) * highest + peak // 2) // peak
    _rows(frame, 3, bits)[:, :frame.width] = values
