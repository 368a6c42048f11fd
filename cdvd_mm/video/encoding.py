"""How frames are encoded: container, encoder, its settings, pixel format."""

from __future__ import annotations

import dataclasses
import io
from fractions import Fraction
from pathlib import Path

import av

from .color import ColorTags, chroma_of, has_alpha
from .frames import VideoInfo
from .orientation import can_store_rotation
from .side_data import HDRLevels

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
# Encoders that take odd sides with subsampled chroma, those whose transparency players know, and
# those that have the limited range alone.
_TAKES_ODD = {'libvpx-vp9', 'libaom-av1', 'ffv1'}
_WITH_ALPHA = {'prores_ks', 'libvpx', 'libvpx-vp9', 'ffv1', 'png', 'qtrle', 'gif'}
_ALPHA_BESIDE = {'libvpx', 'libvpx-vp9'}  # which webm and mkv alone can hold
_LIMITED_ALONE = {'prores', 'prores_aw', 'prores_ks', 'mpeg1video', 'mpeg2video', 'mpeg4', 'flv',
                  'h263', 'dvvideo'}
_DEFAULTS = {
    'libx264': {'preset': 'medium'},
    'libx265': {'preset': 'medium', 'x265-params': 'log-level=error'},
    'libvpx-vp9': {'b': '0', 'row-mt': '1', 'deadline': 'good', 'cpu-used': '3'},
    'libsvtav1': {'preset': '7'},
    'ffv1': {'level': '3'},
    # FFmpeg's own saving of unchanged pixels leaves holes where frames have palettes of their own
    'gif': {'global_palette': '0', 'gifflags': '-transdiff'},
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
        alpha (bool): With transparency.
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
    alpha: bool = False

    @property
    def alpha_beside(self) -> bool:
        """Whether transparency is in packets' side data, which the container has to announce."""
        return self.codec in _ALPHA_BESIDE and has_alpha(av.VideoFormat(self.pix_fmt))


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


def _with_levels(options: dict[str, str], codec: str, hdr: HDRLevels) -> dict[str, str]:
    """Options that tell the encoder the levels, before what a user says of the same."""
    added = (hdr.options(codec) or {}) if hdr else {}
    return options | {name: ':'.join(filter(None, (text, options.get(name))))
                      for name, text in added.items()}


def _pixel_format(codec: str, info: VideoInfo, odd: tuple[bool, bool]) -> str:
    """The encoder's pixel format that is closest to the input's.

    The same chroma and the same depth, else the next that holds them, else the next below. Odd
    sides of pictures from a folder are kept by full chroma; those of films are filled up, see
    :func:`_even`.
    """
    offered = [f.name for f in av.codec.Codec(codec, 'w').video_formats or ()]
    if codec == 'gif':
        return 'pal8'
    if info.alpha and codec in _ALPHA_BESIDE:
        return 'yuva420p'  # what they offer beside it, players do not know
    source, bits = av.VideoFormat(info.pix_fmt), max(8, info.bit_depth)
    if codec == 'ffv1' and (source.is_rgb or source.has_palette):
        names = ('bgra', 'gbrap16le') if info.alpha else ('bgr0', 'gbrp16le')
        return names[bits > 8]
    layout = chroma_of(source)
    if source.is_rgb and (info.is_folder or not source.is_planar):
        layout = '420'  # of pictures and screen recordings: what plays everywhere
        if any(odd) and codec not in _TAKES_ODD:
            layout = '444' if odd[0] else '422'
    layouts = {'420': ('420', '422', '444'), '410': ('420', '422', '444'),
               '411': ('411', '422', '444', '420'), '422': ('422', '444', '420'),
               '440': ('440', '444', '422', '420')}.get(layout, ('444', '422', '420'))
    depths = {8: (8, 10), 9: (9, 10, 12, 8), 10: (10, 12, 8), 12: (12, 10, 8)}.get(
        bits, (bits, 10, 12, 8))
    for kind in ('yuva', 'yuv')[not info.alpha:]:
        for depth in depths:
            for name in layouts:
                if f'{kind}{name}p{_depth_suffix(depth)}' in offered:
                    return f'{kind}{name}p{_depth_suffix(depth)}'
    packed_formats = {(True, True): ('rgba64be', 'rgba'), (True, False): ('rgba', 'argb'),
                      (False, True): ('rgb48be', 'rgb24'), (False, False): ('rgb24', 'bgr0')}
    for packed in packed_formats[info.alpha, bits > 8] + ('rgb24', 'rgba'):
        if packed in offered:
            return packed
    raise ValueError(
        f'the encoder {codec} offers no pixel format for this {info.width}x{info.height} input '
        f'({", ".join(offered)}); choose another codec (libx264 takes all)')


def _takes_alpha(codec: str, container: str) -> bool:
    return codec in _WITH_ALPHA and (codec not in _ALPHA_BESIDE or container in ('webm',
                                                                                 'matroska'))


def _depth_suffix(bits: int) -> str:
    return '' if bits == 8 else f'{bits}le'


def _even(codec: str, pix_fmt: str, size: tuple[int, int]) -> tuple[int, int]:
    """The size that is encoded: no half samples of chroma, but for encoders that take them."""
    chroma = chroma_of(av.VideoFormat(pix_fmt))
    if codec in _TAKES_ODD or pix_fmt == 'pal8':
        return size
    across = {'420': 2, '422': 2, '411': 4, '410': 4}.get(chroma, 1)
    down = {'420': 2, '440': 2, '410': 4}.get(chroma, 1)
    return size[0] + -size[0] % across, size[1] + -size[1] % down


def _losses(info: VideoInfo, codec: str, pix_fmt: str, container: str, size: tuple[int, int],
            encoded: tuple[int, int], alpha: bool) -> list[str]:
    """What of the pictures the encoder or container cannot hold, in words."""
    losses = list(info.losses)
    source, target = av.VideoFormat(info.pix_fmt), av.VideoFormat(pix_fmt)
    if encoded != size:
        losses.append(
            f'the size {size[0]}x{size[1]}: {pix_fmt} needs even sides, so the last row or column '
            f'is repeated to {encoded[0]}x{encoded[1]}; --codec vp9 keeps the size, and so does '
            '--codec-options pix_fmt=yuv444p, which few players show')
    elif any(side % 2 for side in size) and chroma_of(target) != chroma_of(source) \
            and codec in ('libx264', 'libx265') and source.is_rgb:
        losses.append(f'the size {size[0]}x{size[1]} is odd and kept by {pix_fmt}, which few '
                      'players show: --codec vp9 or a folder of pictures are other choices')
    if info.profiles:
        losses.append(f'colour profile {", ".join(info.profiles)}: a folder of PNG files keeps it')
    if info.hdr and info.hdr.options(codec) is None:
        losses.append('light levels of HDR (mastering display, MaxCLL): h265 and av1 keep them')
    if info.alpha and not alpha:
        losses.append('transparency: --codec prores in mov, vp9 in webm, ffv1 in mkv and a folder '
                      'of PNG files keep it')
    if alpha and pix_fmt == 'pal8' and info.pix_fmt not in ('bgra', 'pal8'):
        losses.append('half transparency: GIF has all or nothing')
    bits = target.components[0].bits
    if bits < info.bit_depth and not (bits >= 10 and info.bit_depth <= 12) and pix_fmt != 'pal8':
        losses.append(f'{info.bit_depth} bits a channel: {pix_fmt} has {bits}')
    if not source.is_rgb and container != 'gif' and not info.is_folder:
        before, after = chroma_of(source), chroma_of(target)
        if after == '420' and before in ('444', '422', '440') or before == '444' != after:
            losses.append(f'colour of {info.pix_fmt}: {codec} takes {pix_fmt}')
    if container == 'webm' and info.sample_aspect_ratio != 1:
        losses.append(f'pixels that are not square ({info.sample_aspect_ratio}): mp4, mov and mkv '
                      'keep them')
    if container == 'gif' and info.rate > 50:
        losses.append(f'{float(info.rate):g} frames a second: GIF has none above 50 that every '
                      'player shows')
    return losses


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
        codec_options (dict[str, str], optional): Further options of the encoder, and ``pix_fmt``.

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
        codec = {'gif': 'gif', 'webm': 'libsvtav1' if deep and not info.alpha else 'libvpx-vp9'
                 }.get(container, 'libx265' if deep else 'libx264')
    codec = _ALIASES.get(codec.lower(), codec)
    try:
        available = av.codec.Codec(codec, 'w')
    except ValueError as error:  # PyAV's UnknownCodecError
        raise ValueError(f'no encoder {codec!r} in this FFmpeg: expected one of '
                         f'{", ".join(sorted(_ALIASES) + ["ffv1"])}') from error
    if available.type != 'video':
        raise ValueError(f'{codec!r} is an encoder for {available.type}, not for video')
    own = dict(codec_options or {})
    chosen = own.pop('pix_fmt', None)
    offered = [f.name for f in available.video_formats or ()]
    if chosen is not None and chosen not in offered:
        raise ValueError(f'pix_fmt={chosen} is not possible with {codec}: expected one of '
                         f'{", ".join(offered)}')
    alpha = info.alpha and _takes_alpha(codec, container)
    pix_fmt = chosen or _pixel_format(codec, dataclasses.replace(info, alpha=alpha),
                                      (size[0] % 2 == 1, size[1] % 2 == 1))
    target = av.VideoFormat(pix_fmt)
    alpha = alpha and (has_alpha(target) or pix_fmt == 'pal8')
    if codec == 'prores_ks' and quality is None and chroma_of(target) == '444':
        own.setdefault('profile', '4')
    options = _with_levels(_encoder_options(codec, quality, own), codec, info.hdr)
    width, height = size if chosen else _even(codec, pix_fmt, size)
    color, source = info.color, av.VideoFormat(info.pix_fmt)
    if target.is_rgb or pix_fmt == 'pal8':
        color = dataclasses.replace(color, range=2, matrix=0)
    elif source.is_rgb or source.has_palette:
        color = ColorTags(range=1, matrix=1, primaries=1, transfer=1)
    elif codec in _LIMITED_ALONE:
        color = dataclasses.replace(color, range=1)
    spec = EncodeSpec(
        container=container, codec=codec, options=tuple(sorted(options.items())),
        pix_fmt=pix_fmt, width=width, height=height, rate=info.rate,
        time_base=Fraction(1, 100) if container == 'gif' else info.time_base,
        sample_aspect_ratio=info.sample_aspect_ratio, color=color,
        display_matrix=info.display_matrix if can_store_rotation(container) else None,
        losses=tuple(_losses(info, codec, pix_fmt, container, size, (width, height), alpha)),
        alpha=alpha)
    with av.open(io.BytesIO(), 'w', format=container) as probe:
        if codec not in probe.supported_codecs and available.name not in probe.supported_codecs:
            try:
                probe.add_stream(codec)
            except ValueError as error:
                raise ValueError(f'{suffix} files cannot hold {codec}: {error}') from error
    return spec
