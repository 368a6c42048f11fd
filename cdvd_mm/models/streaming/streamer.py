"""What every streamer does: the ends of a video."""

from __future__ import annotations

import collections
from typing import Any

import torch
from torch import Tensor

from cdvd_mm.windows import reflect_index


class Streamer:
    """A network that needs ``context`` frames on either side of the one it restores.

    Takes care of the ends: the video goes on beyond them as its mirror image.
    Subclasses implement :meth:`_feed`.

    Attributes:
        context (int): Frames beyond either end of the video that the network
            is given.
        margin (int): Frames on either side of a part of a video that have to
            come along for it to be restored as within the whole.
        memory (int, optional): As many of the last frames let a new streamer
            make whatever this one has yet to give. None: all of them.
    """

    def __init__(self, context: int) -> None:
        self.context = context
        self.margin = context
        self.memory: int | None = 2 * context + 1
        self._count = 0
        self._recent: collections.deque = collections.deque(maxlen=context + 1)

    @torch.no_grad()
    def push(self, frame: Tensor) -> list[Tensor]:
        """Take the next frame.

        Args:
            frame (Tensor): (1, 3, h, w), RGB in [0, 1]; h and w multiples of
                the network's ``size_divisor`` and the same for all frames.

        Returns:
            list[Tensor]: Restored frames (1, 3, h, w) that became ready, in
            order, not clamped.
        """
        entry = self._prepare(frame)
        self._recent.append(entry)
        self._count += 1
        if self._count <= self.context:
            return []
        if self._count > self.context + 1:
            return self._collect([entry])
        # the mirror image before the first frame, then the frames so far
        first = list(self._recent)
        return self._collect(first[:0:-1] + first)

    @torch.no_grad()
    def flush(self) -> list[Tensor]:
        """Say that the video (or scene) is over; the next frame begins a new one.

        Returns:
            list[Tensor]: The restored frames that are still missing.
        """
        recent, length = list(self._recent), self._count
        restored = []
        if 0 < length <= self.context:  # too short to have begun
            restored = self._collect([recent[reflect_index(k, length)]
                                      for k in range(-self.context, length + self.context)])
        elif length:
            restored = self._collect(recent[-2::-1] if self.context else [])
        restored += self._finish()
        self.reset()
        return restored

    def reset(self) -> None:
        """Forget everything."""
        self._count = 0
        self._recent.clear()

    def _collect(self, entries: list) -> list[Tensor]:
        return [frame for entry in entries for frame in self._feed(entry)]

    def _prepare(self, frame: Tensor) -> Any:
        return frame

    def _feed(self, entry: Any) -> list[Tensor]:
        """Take a frame of the mirrored video; give what became ready."""
        raise NotImplementedError

    def _finish(self) -> list[Tensor]:
        """Give what is left once all of the mirrored video was fed."""
        return []


def stream_video(streamer: Streamer, frames: Tensor) -> Tensor:
    """Restore videos that lie in memory.

    Args:
        streamer (Streamer): Ready for the first frame.
        frames (Tensor): (n, t, 3, h, w), RGB in [0, 1]; h and w as the
            network takes them.

    Returns:
        Tensor: (n, t, 3, h, w), not clamped.
    """
    restored = [frame for blurred in frames.unbind(1) for frame in streamer.push(blurred)]
    return torch.stack(restored + streamer.flush(), dim=1)
