"""Networks that take a clip at once, on videos of any length."""

from __future__ import annotations

import collections

import torch
from torch import Tensor

from cdvd_mm.models.protocols import ClipNetwork
from cdvd_mm.windows import reflect_index

from .streamer import Streamer

DEFAULT_CLIP_OVERLAP = 8
"""Frames that neighbouring clips have in common."""


class StreamingClips(Streamer):
    """A clip network on overlapping clips, one after the other.

    Clips are all of one length, the last one is moved back to fit (a shorter
    video is one clip), and where two overlap each gives the half that lies
    nearer to its own middle. As the last one's place is not known before the
    end, what it might give is held back until then: at most half a clip of
    restored frames, beside a clip of blurred ones.

    Args:
        network (ClipNetwork): Such as DSTNet+.
        clip_length (int, optional): Frames that the network gets at once.
            Default: None, the whole video, however long.
        overlap (int): Frames that neighbouring clips have in common, at least
            twice the network's context.

    Raises:
        ValueError: Length and overlap do not fit each other or the network.
    """

    def __init__(self, network: ClipNetwork, clip_length: int | None = None,
                 overlap: int = DEFAULT_CLIP_OVERLAP) -> None:
        check_clips(network, clip_length, overlap)
        super().__init__(context=network.context)
        self.margin = max(network.context, overlap // 2)
        self.memory = None if clip_length is None else 2 * clip_length
        self.network = network
        self.clip_length = clip_length
        self.overlap = overlap
        self._frames: collections.deque[Tensor] = collections.deque(maxlen=clip_length)
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        super().reset()
        self._frames.clear()
        self._num_fed = 0  # frames of the mirrored video
        self._start: int | None = None  # of the last clip, in the mirrored video
        self._held: list[Tensor] = []  # what that clip gave and the next one may give better
        self._next = 0  # index in the video of the next frame to give

    def _feed(self, entry: Tensor) -> list[Tensor]:
        self._frames.append(entry)
        self._num_fed += 1
        if self.clip_length is None:
            return []
        start = self._num_fed - self.clip_length
        if start != (0 if self._start is None else self._start + self.clip_length - self.overlap):
            return []
        num_given = self.clip_length - 2 * self.context
        # if the video ends with the next frame, the next clip begins a frame after this one
        return self._run(start) + self._give(start + (num_given + 1) // 2)

    def _finish(self) -> list[Tensor]:
        if self._start is None:  # no longer than a clip
            return self._run_whole() if self._num_fed else []
        assert self.clip_length is not None
        start = self._num_fed - self.clip_length
        return (self._run(start) if start > self._start else []) + self._held

    def _run(self, start: int) -> list[Tensor]:
        """Run the last frames as a clip; give what is left of the one before it, hold its own."""
        clip = self.network(torch.stack(list(self._frames), dim=1)).unbind(1)
        given = []
        if self._start is not None:
            # frames start to start + len(clip) are its own: they meet in the middle
            given = self._give((self._start + len(clip) + start) // 2)
        self._held = list(clip[self._next - start:])
        self._start = start
        return given

    def _give(self, stop: int) -> list[Tensor]:
        """Give what is held up to a frame of the video."""
        number = max(0, stop - self._next)
        given, self._held = self._held[:number], self._held[number:]
        self._next += len(given)
        return given

    def _run_whole(self) -> list[Tensor]:
        frames, context = list(self._frames), self.context
        length = self._num_fed - 2 * context
        while len(frames) < self.network.min_frames:  # further into the mirror
            frames.append(frames[context + reflect_index(len(frames) - context, length)])
        return list(self.network(torch.stack(frames, dim=1)).unbind(1))[:length]


def check_clips(network: ClipNetwork, clip_length: int | None, overlap: int) -> None:
    """Refuse clips that a network cannot be run on.

    Args:
        network (ClipNetwork): The network.
        clip_length (int, optional): Frames of a clip. None: the whole video.
        overlap (int): Frames that neighbouring clips have in common.

    Raises:
        ValueError: They do not fit each other or the network.
    """
    least = max(network.min_frames, overlap + 1)
    if overlap < 2 * network.context or clip_length is not None and clip_length < least:
        raise ValueError(
            f'clips of {clip_length} frames that overlap by {overlap} do not fit: '
            f'{type(network).__name__} needs an overlap of at least {2 * network.context} and '
            f'clips of at least {network.min_frames} frames, longer than the overlap')
