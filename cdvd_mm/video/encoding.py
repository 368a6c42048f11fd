"""How frames are encoded: container, encoder, its settings, pixel format."""

from __future__ import annotations

import dataclasses
import io
from fractions import Fraction
from pathlib import Path

import av

from .color import ColorTags
from .frames import VideoInfo
from .orientation import can_store_rotation

CONTAINERS = {
    '.mp4': 'mp4', '.m4v': 'mp4', '.mov': 'mov', '.mkv': 'matroska', '.webm': 'webm',
    '.gif': 'gif',
}
_ALIASES = {
    'h264': 'libx264', 'x264': 'libx264', 'h265': 'libx265', 'hevc': 'libx265',
    'x265': 'libx265', 'vp9': 'libvpx-vp9', 'av1': 'libsvtav1', 'prores': 'prores_ks',
}


@dataclasses.dataclass(frozen=True)
class _Quality:
    """What ``quality`` means to an encoder.

    Args:
        options (tuple[str, ...]): The encoder's options that it sets.
        default (float): Where none is given.
        lowest (float): Best quality.
        highest (float): Worst quality (ProRes: the other way round).
    """

    options: tuple[str, ...]
    default: float
    lowest: float
    highest: float

    def settings(self, quality: float | None) -> dict[str, str]:
        """The options' values."""
        return dict.fromkeys(self.options, f'{self.default if quality is None else quality:g}')

    def allows(self, value: str) -> bool:
        """Whether the option may have this value."""
        try:
            return self.lowest <= float(value) <= self.highest
        except ValueError:
            return False


_QUALITIES = {
    'libx264': _Quality(('crf', ), 16, 0, 51),
    'libx265': _Quality(('crf', ), 18, 0, 51),
    'libvpx-vp9': _Quality(('crf', ), 20, 0, 63),
    'libsvtav1': _Quality(('crf', ), 22, 1, 63),
    'prores_ks': _Quality(('profile', ), 3, 0, 5),
    'mpeg4': _Quality(('qmin', 'qmax'), 2, 1, 31),
}
_DEFAULTS = {
    'libx264': {'preset': 'medium'},
    'libx265': {'preset': 'medium', 'x265-params': 'log-level=error'},
    'libvpx-vp9': {'b': '0', 'row-mt': '1', 'deadline': 'good', 'cpu-used': '3'},
    'libsvtav1': {'preset': '7'},
    'ffv1': {'level': '3'},
    'gif': {'global_palette': '0'},
}


@dataclasses.dataclass(frozen=True)
class EncodeSpec:
    """How frames are encoded; the same for all segments of an output.

    Args:
        container (str): FFmpeg's name of the output format.
        codec (str): FFmpeg's name of the encoder.
        options (tuple[tuple[str, str], ...]): The encoder's private options.
        pix_fmt (str): Pixel format handed to the encoder.
        width (int): Encoded width.
        height (int): Encoded height.
        rate (Fraction): Nominal frames a second.
        time_base (Fraction): Unit of the timestamps.
        sample_aspect_ratio (Fraction): Pixel aspect.
        color (ColorTags): Colour description.
        display_matrix (tuple[int, ...] | None): Rotation flag to be written.
        losses (tuple[str, ...]): What of the input's pictures the output cannot hold, in words.
    """

    container: str
    codec: str
    options: tuple[tuple[str, str], ...]
    pix_fmt: str
    width: int
    height: int
    rate: Fraction
    time_base: Fraction
    sample_aspect_ratio: Fraction
    color: ColorTags
    display_matrix: tuple[int, ...] | None = None
    losses: tuple[str, ...] = ()


def _encoder_options(codec: str, quality: float | None,
                     codec_options: dict[str, str]) -> dict[str, str]:
    """All options of an encoder."""
    options, meaning = dict(_DEFAULTS.get(codec, {})), _QUALITIES.get(codec)
    if meaning is None:
        if quality is not None:
            raise ValueError(f'--quality has no meaning for the encoder {codec}; --codec-options '
                             'sets its own options')
        return options | codec_options
    options |= meaning.settings(quality) | codec_options
    for name in meaning.options:
        if not meaning.allows(options[name]):
            raise ValueError(f'{name}={options[name]} is not possible with {codec}: expected a '
                             f'quality from {meaning.lowest:g} to {meaning.highest:g}')
    return options


def _pixel_format(codec: str, info: VideoInfo, odd: tuple[bool, bool]) -> str:
    """The encoder's pixel format that is closest to the input's."""
    offered = [f.name for f in av.codec.Codec(codec, 'w').video_formats or ()]
    if codec == 'gif':
        return 'pal8'
    is_rgb = av.VideoFormat(info.pix_fmt).is_rgb or info.pix_fmt == 'pal8'
    if codec == 'ffv1' and is_rgb:
        return 'bgr0' if info.bit_depth == 8 else 'gbrp16le'
    layout = '420'
    for name in ('422', '444', '440', '411'):
        if f'yuv{name}' in info.pix_fmt or f'yuvj{name}' in info.pix_fmt:
            layout = name
    if codec != 'libvpx-vp9' and codec != 'ffv1':
        if odd[1] and layout in ('420', '440'):
            layout = '444' if odd[0] else '422'
        if odd[0] and layout in ('420', '422', '411'):
            layout = '444'
    depths = {8: ('',), 9: ('10le', ''), 10: ('10le', '12le', '')}.get(
        info.bit_depth, ('12le', '10le', '') if info.bit_depth == 12 else ('10le', '12le', ''))
    layouts = {'420': ('420', '422', '444'), '422': ('422', '444', '420')}.get(
        layout, (layout, '444', '422', '420'))
    for depth in depths + ('', '10le'):
        for name in layouts:
            if name == '420' and any(odd) and layout != '420':
                continue  # would need even sides
            if f'yuv{name}p{depth}' in offered:
                return f'yuv{name}p{depth}'
    raise ValueError(
        f'the encoder {codec} offers no pixel format for this {info.width}x{info.height} input '
        f'({", ".join(offered)}); choose another codec (libx264 takes odd sizes)')


def plan_encoding(info: VideoInfo, output: str | Path, size: tuple[int, int],
                  codec: str | None = None, quality: float | None = None,
                  codec_options: dict[str, str] | None = None) -> EncodeSpec:
    """Choose encoder and settings for an output file.

    Args:
        info (VideoInfo): The input.
        output (str | Path): The output file; its suffix chooses the container.
        size (tuple[int, int]): Width and height of the frames to be written, as stored.
        codec (str, optional): Encoder, or h264, h265, vp9, av1, ffv1, prores.
            Default: H.264 (more than 8 bits: H.265), VP9 (AV1) for webm.
        quality (float, optional): The encoder's constant quality (CRF).
        codec_options (dict[str, str], optional): Further options of the encoder.

    Returns:
        EncodeSpec: What :class:`SegmentEncoder` and :func:`write_container` need.

    Raises:
        ValueError: Unknown container, unknown encoder, or one that does not fit the container.
    """
    suffix = Path(output).suffix.lower()
    if suffix not in CONTAINERS:
        raise ValueError(f'{output}: expected a name ending in {", ".join(CONTAINERS)}, or one '
                         'without a suffix for a folder of frames')
    container = CONTAINERS[suffix]
    deep = info.bit_depth > 8
    if codec is None:
        codec = {'gif': 'gif', 'webm': 'libsvtav1' if deep else 'libvpx-vp9'}.get(
            container, 'libx265' if deep else 'libx264')
    codec = _ALIASES.get(codec.lower(), codec)
    try:
        available = av.codec.Codec(codec, 'w')
    except ValueError as error:  # PyAV's UnknownCodecError
        raise ValueError(f'no encoder {codec!r} in this FFmpeg: expected one of '
                         f'{", ".join(sorted(_ALIASES) + ["ffv1"])}') from error
    if available.type != 'video':
        raise ValueError(f'{codec!r} is an encoder for {available.type}, not for video')
    options = _encoder_options(codec, quality, codec_options or {})
    width, height = size
    pix_fmt = _pixel_format(codec, info, (width % 2 == 1, height % 2 == 1))
    color = info.color
    target = av.VideoFormat(pix_fmt)
    if target.is_rgb or pix_fmt == 'pal8':
        color = ColorTags(range=2, matrix=0, primaries=color.primaries, transfer=color.transfer)
    elif av.VideoFormat(info.pix_fmt).is_rgb or info.pix_fmt == 'pal8':
        color = ColorTags(range=1, matrix=1, primaries=1, transfer=1)
    losses = []
    if container == 'webm' and info.sample_aspect_ratio != 1:
        losses.append(f'pixels that are not square ({info.sample_aspect_ratio}): mp4, mov and mkv '
                      'keep them')
    time_base = Fraction(1, 100) if container == 'gif' else info.time_base
    spec = EncodeSpec(
        container=container, codec=codec, options=tuple(sorted(options.items())),
        pix_fmt=pix_fmt, width=width, height=height, rate=info.rate, time_base=time_base,
        sample_aspect_ratio=info.sample_aspect_ratio, color=color,
        display_matrix=info.display_matrix if can_store_rotation(container) else None,
        losses=tuple(losses))
    with av.open(io.BytesIO(), 'w', format=container) as probe:
        if codec not in probe.supported_codecs and available.name not in probe.supported_codecs:
            try:
                probe.add_stream(codec)
            except ValueError as error:
                raise ValueError(f'{suffix} files cannot hold {codec}: {error}') from error
    return spec
