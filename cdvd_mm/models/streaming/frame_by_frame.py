"""Networks that take frame after frame, each kind in its own way."""

from __future__ import annotations

import collections
from typing import Any, NamedTuple

import torch
from torch import Tensor

from cdvd_mm.models.protocols import (
    CascadeNetwork,
    DelayedNetwork,
    Features,
    RecurrentNetwork,
    WindowNetwork,
)

from .streamer import Streamer


class _Entry(NamedTuple):
    """A frame (1, 3, h, w) and its flow features, computed once."""

    frame: Tensor
    features: Features


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

    def _feed(self, entry: _Entry) -> list[Tensor]:
        for number, stage in enumerate(self._stages, 1):
            stage.append(entry)
            if len(stage) < 3:
                return []
            features = [e.features for e in stage]
            restored = self.network.restore_triples(
                [e.frame for e in stage], None if features[0] is None else features)
            if number < len(self._stages):
                entry = _Entry(restored, self.network.restored_features(restored, features[1]))
        return [restored]


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

    def _feed(self, entry: Tensor) -> list[Tensor]:
        self._window.append(entry)
        if len(self._window) < self.network.num_frames:
            return []
        return [self.network(torch.stack(list(self._window), dim=1))]


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

    def _feed(self, entry: Tensor) -> list[Tensor]:
        restored, state = self.network.step(entry, *(self._last or ()))
        self._last = (entry, restored.clamp(0, 1), state)
        return [restored]


class StreamingDelayed(Streamer):
    """A network that looks back without end and ahead by its context, ESTRNN for one.

    Args:
        network (DelayedNetwork): Such as ESTRNN.
    """

    def __init__(self, network: DelayedNetwork) -> None:
        super().__init__(context=network.context)
        self.network = network
        self._window: collections.deque[Tensor] = collections.deque(maxlen=2 * self.context + 1)
        self._state: Any = None

    def reset(self) -> None:
        """Forget everything."""
        super().reset()
        self._window.clear()
        self._state = None

    def _feed(self, entry: Tensor) -> list[Tensor]:
        encoded, self._state = self.network.encode(entry, self._state)
        self._window.append(encoded)
        if len(self._window) <= 2 * self.context:
            return []
        return [self.network.restore(self._window)]
