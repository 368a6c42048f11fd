"""Large frames in overlapping tiles, each with a stream of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from cdvd_mm.models.streaming import Streamer

from .options import DEFAULT_OVERLAP

SMALLEST_TILE = 128
# Bytes a pixel that CDVDNet's released form needs at its peak, in fp32; half
# precision needs less, which is left as a margin.
BYTES_PER_PIXEL = 2600
MEMORY_SHARE = 0.7
"""Of the free memory, for tiles and clips."""


@dataclasses.dataclass(frozen=True)
class Span:
    """A tile's extent along one axis, and its overlap with the tiles on either side."""

    start: int
    stop: int
    before: int
    after: int

    def weights(self) -> Tensor:
        """How much each pixel counts: (stop - start,), in [0, 1].

        A linear change over the middle half of an overlap, nothing from the
        outer quarters, where a tile lacks surroundings.
        """
        length = self.stop - self.start
        weights = torch.ones(length)
        position = torch.arange(length) + 0.5
        for overlap, distance in ((self.before, position), (self.after, length - position)):
            if overlap:
                margin = overlap / 4
                weights *= ((distance - margin) / (overlap - 2 * margin)).clamp(0, 1)
        return weights


def cut(length: int, tile: int, overlap: int, divisor: int = 4) -> list[Span]:
    """Cut an axis into tiles of equal length.

    Args:
        length (int): Length of the axis, a multiple of ``divisor``.
        tile (int): Length of a tile, likewise.
        overlap (int): Least overlap of neighbours.
        divisor (int): What starts must be multiples of.

    Returns:
        list[Span]: Tiles that cover the axis, evenly spread.

    Raises:
        ValueError: The overlap takes half of a tile or more.
    """
    if length <= tile:
        return [Span(0, length, 0, 0)]
    if 2 * overlap >= tile:
        raise ValueError(f'an overlap of {overlap} is too much for tiles of {tile}: expected less '
                         'than half of the tile')
    count = -(-(length - overlap) // (tile - overlap))
    starts = [round(k * (length - tile) / (count - 1) / divisor) * divisor for k in range(count)]
    overlaps = [0] + [a + tile - b for a, b in zip(starts, starts[1:])] + [0]
    return [Span(start, start + tile, overlaps[k], overlaps[k + 1])
            for k, start in enumerate(starts)]


def blending(spans: list[Span]) -> list[Tensor]:
    """Weights of all tiles along an axis, adding up to 1 everywhere."""
    weights = [span.weights() for span in spans]
    total = torch.zeros(spans[-1].stop)
    for span, weight in zip(spans, weights):
        total[span.start:span.stop] += weight
    return [weight / total[span.start:span.stop] for span, weight in zip(spans, weights)]


def choose_tile(height: int, width: int, free_bytes: float,
                bytes_per_pixel: float = BYTES_PER_PIXEL, divisor: int = 64) -> int | None:
    """Choose the largest square tile that memory allows.

    Args:
        height (int): Height of the frames.
        width (int): Width of the frames.
        free_bytes (float): Memory at hand.
        bytes_per_pixel (float): What the network takes.
        divisor (int): What the tile must be a multiple of; 64 fits PWC-Net, so
            that nothing is resized for it.

    Returns:
        int | None: The side of the tiles, or None if whole frames fit.
    """
    pixels = MEMORY_SHARE * free_bytes / bytes_per_pixel
    if height * width <= pixels:
        return None
    return max(SMALLEST_TILE, int(pixels**0.5) // divisor * divisor)


class TiledStreamer:
    """A streamer for whole frames, made of one for each tile.

    Args:
        make (Callable[[], Streamer]): Gives a new streamer.
        height (int): Height of the frames, a multiple of ``divisor``.
        width (int): Width of the frames, likewise.
        tile (int | tuple[int, int]): Height and width of the tiles.
        overlap (int): Least overlap of neighbours, in pixels.
        divisor (int): What the network's input must be a multiple of.
    """

    def __init__(self, make: Callable[[], Streamer], height: int, width: int,
                 tile: int | tuple[int, int], overlap: int = DEFAULT_OVERLAP,
                 divisor: int = 4) -> None:
        tall, wide = (tile, tile) if isinstance(tile, int) else tile
        sides = [max(divisor, side // divisor * divisor) for side in (tall, wide)]
        overlap = min(overlap, (min(sides) - 1) // 2)
        rows, columns = (cut(length, side, overlap, divisor)
                         for length, side in zip((height, width), sides))
        self.size = (height, width)
        self.tiles = [(row, column) for row in rows for column in columns]
        self._streamers = [make() for _ in self.tiles]
        self._weights = [row[:, None] * column[None, :]  # (h', w')
                         for row in blending(rows) for column in blending(columns)]
        self.margin = self._streamers[0].margin
        self.memory = self._streamers[0].memory

    def push(self, frame: Tensor) -> list[Tensor]:
        """Take the next frame (1, 3, h, w); see :meth:`Streamer.push`."""
        parts = (streamer.push(frame[..., row.start:row.stop, column.start:column.stop]
                               .contiguous())
                 for streamer, (row, column) in zip(self._streamers, self.tiles))
        return self._blend(parts)

    def flush(self) -> list[Tensor]:
        """End the scene; see :meth:`Streamer.flush`."""
        return self._blend(streamer.flush() for streamer in self._streamers)

    def reset(self) -> None:
        """Forget everything."""
        for streamer in self._streamers:
            streamer.reset()

    def _blend(self, parts: Iterable[list[Tensor]]) -> list[Tensor]:
        """Put together what the tiles gave, tile by tile."""
        frames: list[Tensor] = []
        for restored, weight, (row, column) in zip(parts, self._weights, self.tiles):
            if restored and not frames:
                frames = [r.new_zeros(*r.shape[:-2], *self.size) for r in restored]
            for frame, part in zip(frames, restored):
                frame[..., row.start:row.stop, column.start:column.stop] += \
                    part * weight.to(part)
        return frames
