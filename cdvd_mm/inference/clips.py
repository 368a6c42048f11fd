"""How long the clips are that a clip network gets at once."""

from __future__ import annotations

import dataclasses
from typing import cast

from torch import nn

from cdvd_mm.models.protocols import ClipNetwork, DelayedNetwork, KnowsItsMemory
from cdvd_mm.models.streaming import (
    DEFAULT_CLIP_OVERLAP,
    Streamer,
    build_streamer,
    check_clips,
)

from .tiling import MEMORY_SHARE

DEFAULT_LENGTH = 32
# What a clip takes in fp32, for each pixel of a frame's area: of every frame where the network does
# not say, and besides. Those of CDVD-TSPNL, the largest of the package.
BYTES_PER_PIXEL = 600
FIXED_BYTES_PER_PIXEL = 3400


@dataclasses.dataclass(frozen=True)
class ClipRule:
    """Chooses the clips of a network; for networks that take none, nothing to choose.

    Args:
        network (nn.Module): The network.
        length (int | str | None): Frames of a clip; 'auto': ``usual``, or as
            many as memory allows; None: the whole video.
        overlap (int, optional): Frames that neighbouring clips have in
            common. None: 8, or a quarter of shorter clips.
        usual (int, optional): Length for which the model is configured. None:
            32. A network that can go through a video frame by frame takes
            clips only where a length was configured or asked for.

    Raises:
        ValueError: Clips for a network that takes none, or that cannot be.
    """

    network: nn.Module
    length: int | str | None = 'auto'
    overlap: int | None = None
    usual: int | None = None

    def __post_init__(self) -> None:
        if isinstance(self.length, str) and self.length != 'auto':
            raise ValueError(f"unknown clip length {self.length!r}: expected a number of frames, "
                             "'auto' or None")
        asked = self.overlap is not None or self.length != 'auto'
        if not isinstance(self.network, ClipNetwork):
            if asked:
                raise ValueError(f'{type(self.network).__name__} restores frame by frame: clip '
                                 'length and overlap are for networks that take clips')
            return
        if self.takes_clips:
            length = self._longest
            check_clips(self.network, length, self.overlap_of(length))

    @property
    def takes_clips(self) -> bool:
        """Whether the network is fed clip by clip."""
        if not isinstance(self.network, ClipNetwork):
            return False
        is_delayed = isinstance(self.network, DelayedNetwork)
        return not (is_delayed and self._longest is None)

    @property
    def _longest(self) -> int | None:
        if self.length != 'auto':
            return self.length  # type: ignore[return-value]
        default = None if isinstance(self.network, DelayedNetwork) else DEFAULT_LENGTH
        return self.usual or default

    def overlap_of(self, length: int | None) -> int:
        """Frames that clips of a length have in common with their neighbours."""
        if self.overlap is not None:
            return self.overlap
        least = 2 * cast(ClipNetwork, self.network).context
        usual = DEFAULT_CLIP_OVERLAP if length is None else min(DEFAULT_CLIP_OVERLAP, length // 4)
        return max(least, usual)

    def bytes_per_pixel(self, length: int) -> int:
        """Memory that a clip takes for every pixel of a frame's area."""
        known = isinstance(self.network, KnowsItsMemory)
        per_frame = cast(KnowsItsMemory, self.network).bytes_per_pixel if known else BYTES_PER_PIXEL
        return FIXED_BYTES_PER_PIXEL + length * per_frame

    def choose(self, height: int, width: int, free_bytes: float) -> int | None:
        """Choose the length.

        Args:
            height (int): Height of the frames.
            width (int): Width of the frames.
            free_bytes (float): Memory at hand.

        Returns:
            int | None: Frames of a clip: what was asked for; or the usual
            length, or what memory allows but not less than half of that (the
            rest is a matter of tiles). None: the whole video.
        """
        longest = self._longest if self.takes_clips else None
        if longest is None or self.length != 'auto':
            return longest
        least = max(-(-longest // 2), cast(ClipNetwork, self.network).min_frames)
        for length in range(longest, least, -1):
            if height * width * self.bytes_per_pixel(length) <= MEMORY_SHARE * free_bytes:
                return length
        return least

    def make(self, length: int | None) -> Streamer:
        """Make a streamer for clips of a length."""
        if not self.takes_clips:
            return build_streamer(self.network)
        return build_streamer(self.network, length, self.overlap_of(length))
