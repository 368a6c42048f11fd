"""What decoded frames carry beside their samples: light levels, and what gets lost."""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Iterable
from fractions import Fraction
from typing import cast

import av
from av.sidedata.sidedata import SideData
from av.sidedata.sidedata import Type as SideDataType

_MASTERING = struct.Struct('20i2i')  # AVMasteringDisplayMetadata
_LIGHT = struct.Struct('2I')  # AVContentLightMetadata
_LOST = {
    SideDataType.DOVI_RPU_BUFFER: "Dolby Vision: its layer describes the source's pictures",
    SideDataType.DOVI_METADATA: "Dolby Vision: its layer describes the source's pictures",
    SideDataType.DYNAMIC_HDR_PLUS: 'HDR10+: light levels that change with the scene',
    SideDataType.DYNAMIC_HDR_VIVID: 'HDR Vivid: light levels that change with the scene',
    SideDataType.A53_CC: 'closed captions in the pictures: extract them into a file of subtitles',
    SideDataType.STEREO3D: 'the mark of two pictures in one (3D)',
    SideDataType.SPHERICAL: 'the mark of a 360 degree video: set it again (`spatial-media`)',
}


@dataclasses.dataclass(frozen=True)
class HDRLevels:
    """The display that a film was mastered on, and how light it gets.

    Args:
        display (tuple[Fraction, ...]): x and y of red, green, blue and white, least and greatest
            luminance in cd/m2; empty where unknown.
        light (tuple[int, ...]): The lightest pixel and the lightest frame in cd/m2; empty where
            unknown.
    """

    display: tuple[Fraction, ...] = ()
    light: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.display or self.light)

    def options(self, codec: str) -> dict[str, str] | None:
        """What tells an encoder; None where it has no place for them."""
        if codec == 'libx265':
            return {'x265-params': self._text('master-display', 'max-cll', 50000, 10000)}
        if codec == 'libx264':
            return {'x264-params': self._text('mastering-display', 'cll', 50000, 10000)}
        if codec == 'libsvtav1':
            return {'svtav1-params': self._text('mastering-display', 'content-light', 1, 1)}
        return None

    def _text(self, display: str, light: str, colour: int, luminance: int) -> str:
        """The parameters in an encoder's units."""
        parts = []
        if self.display:
            scaled = [value * (colour if index < 8 else luminance)
                      for index, value in enumerate(self.display)]
            text = [f'{float(value):g}' if colour == 1 else str(round(value)) for value in scaled]
            pairs = zip(('R', 'G', 'B', 'WP', 'L'), zip(text[::2], text[1::2]))
            named = {name: f'{name}({first},{second})' for name, (first, second) in pairs}
            named['L'] = f'L({text[9]},{text[8]})'
            parts.append(f'{display}={"".join(named[name] for name in ("G", "B", "R", "WP", "L"))}')
        if self.light:
            parts.append(f'{light}={self.light[0]},{self.light[1]}')
        return ':'.join(parts)


def side_data(frame: av.VideoFrame) -> dict[SideDataType, bytes]:
    """All of a frame's, by kind."""
    return {data.type: bytes(data)  # what PyAV says of it is wrong
            for data in cast(Iterable[SideData], frame.side_data)}


def hdr_levels(found: dict[SideDataType, bytes]) -> HDRLevels:
    """Mastering display and light levels."""
    display: tuple[Fraction, ...] = ()
    light: tuple[int, ...] = ()
    data = found.get(SideDataType.MASTERING_DISPLAY_METADATA, b'')
    if len(data) >= _MASTERING.size:
        *numbers, has_colours, has_luminance = _MASTERING.unpack(data[:_MASTERING.size])
        if has_colours and has_luminance and all(numbers[1::2]):
            display = tuple(map(Fraction, numbers[::2], numbers[1::2]))
    data = found.get(SideDataType.CONTENT_LIGHT_LEVEL, b'')
    if len(data) >= _LIGHT.size:
        light = _LIGHT.unpack(data[:_LIGHT.size])
    return HDRLevels(display, light)


def lost_side_data(found: dict[SideDataType, bytes]) -> list[str]:
    """What no output keeps, in words."""
    return list(dict.fromkeys(words for kind, words in _LOST.items() if kind in found))
