"""Networks fed frame by frame: no work done twice, no more kept than needed.

Every streamer offers ``push(frame) -> restored frames that became ready``,
``flush() -> the rest`` and ``context``, the number of frames on either side
that a restored frame depends on. As many frames come out as went in.
"""

from __future__ import annotations

import collections
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from cdvd_mm.windows import reflect_index

from .protocols import (
    CascadeNetwork,
    Features,
    RecurrentNetwork,
    WindowNetwork,
    describe_protocols,
)


class _Entry(NamedTuple):
    """A frame (1, 3, h, w) and its flow features, computed once."""

    frame: Tensor
    features: Features


class Streamer:
    """A network that needs ``context`` frames on either side of the one it restores.

    Takes care of the ends: the video goes on beyond them as its mirror image.
    Subclasses implement :meth:`_feed`.
    """

    def __init__(self, context: int) -> None:
        self.context = context
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
            order, not clamped; none for the first ``context`` frames.
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
            list[Tensor]: The last restored frames, at most ``context``, or
            all frames of a video that is not longer than that.
        """
        recent, length = list(self._recent), self._count
        restored = []
        if 0 < length <= self.context:  # too short to have begun
            restored = self._collect([recent[reflect_index(k, length)]
                                      for k in range(-self.context, length + self.context)])
        elif length:
            restored = self._collect(recent[-2::-1] if self.context else [])
        self.reset()
        return restored

    def reset(self) -> None:
        """Forget everything."""
        self._count = 0
        self._recent.clear()

    def _collect(self, entries: list) -> list[Tensor]:
        restored = (self._feed(entry) for entry in entries)
        return [frame for frame in restored if frame is not None]

    def _prepare(self, frame: Tensor) -> Any:
        return frame

    def _feed(self, entry: Any) -> Tensor | None:
        """Take a frame of the mirrored video; give the one ``context`` frames before it."""
        raise NotImplementedError


class StreamingCascade(Streamer):
    """CDVDNet, stage by stage: T restorations, 2 T flows and T pyramids a frame.

    Every window on its own takes T squared restorations and, pair by pair,
    2 T squared flows with 4 T squared pyramids: for two stages 4, 8 and 16
    instead of 2, 4 and 2. Stage s keeps the last three frames that stage s - 1
    made, with their pyramids.

    Args:
        network (CascadeNetwork): Such as CDVDNet.
    """

    def __init__(self, network: CascadeNetwork) -> None:
        super().__init__(context=network.num_stages)
        self.network = network
        self._stages: list[collections.deque[_Entry]] = [
            collections.deque(maxlen=3) for _ in range(network.num_stages)]

    def reset(self) -> None:
        """Forget everything."""
        super().reset()
        for stage in self._stages:
            stage.clear()

    def _prepare(self, frame: Tensor) -> _Entry:
        return _Entry(frame, self.network.encode(frame))

    def _feed(self, entry: _Entry) -> Tensor | None:
        for number, stage in enumerate(self._stages, 1):
            stage.append(entry)
            if len(stage) < 3:
                return None
            features = [e.features for e in stage]
            restored = self.network.restore_triples(
                [e.frame for e in stage], None if features[0] is None else features)
            if number < len(self._stages):
                entry = _Entry(restored, self.network.restored_features(restored, features[1]))
        return restored


class StreamingWindow(Streamer):
    """A network that restores the middle of ``num_frames`` frames, EDVR for one.

    Args:
        network (WindowNetwork): Such as EDVR.
    """

    def __init__(self, network: WindowNetwork) -> None:
        super().__init__(context=network.num_frames // 2)
        self.network = network
        self._window: collections.deque[Tensor] = collections.deque(maxlen=network.num_frames)

    def reset(self) -> None:
        """Forget everything."""
        super().reset()
        self._window.clear()

    def _feed(self, entry: Tensor) -> Tensor | None:
        self._window.append(entry)
        if len(self._window) < self.network.num_frames:
            return None
        return self.network(torch.stack(list(self._window), dim=1))


class StreamingRecurrent(Streamer):
    """A network that only looks back, STFAN for one.

    Args:
        network (RecurrentNetwork): Such as STFAN.
    """

    def __init__(self, network: RecurrentNetwork) -> None:
        super().__init__(context=0)
        self.network = network
        self._last: tuple | None = None

    def reset(self) -> None:
        """Forget everything."""
        super().reset()
        self._last = None

    def _feed(self, entry: Tensor) -> Tensor:
        restored, state = self.network.step(entry, *(self._last or ()))
        self._last = (entry, restored.clamp(0, 1), state)
        return restored


def build_streamer(network: nn.Module) -> Streamer:
    """Choose the streamer that fits a network.

    Args:
        network (nn.Module): A restorer's ``generator``, one of
            :mod:`cdvd_mm.models.protocols`.

    Returns:
        Streamer: Ready for the first frame.

    Raises:
        ValueError: The network can be streamed in none of the known ways.
    """
    if isinstance(network, CascadeNetwork):
        return StreamingCascade(network)
    if isinstance(network, RecurrentNetwork):
        return StreamingRecurrent(network)
    if isinstance(network, WindowNetwork):
        return StreamingWindow(network)
    raise ValueError(f'{type(network).__name__} cannot be run frame by frame: expected '
                     f'{describe_protocols()}')
