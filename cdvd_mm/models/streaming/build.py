"""The streamer that fits a network."""

from __future__ import annotations

from torch import nn

from cdvd_mm.models.protocols import (
    CascadeNetwork,
    ClipNetwork,
    DelayedNetwork,
    RecurrentNetwork,
    WindowNetwork,
    describe_protocols,
)

from .clips import DEFAULT_CLIP_OVERLAP, StreamingClips
from .frame_by_frame import (
    StreamingCascade,
    StreamingDelayed,
    StreamingRecurrent,
    StreamingWindow,
)
from .streamer import Streamer


def build_streamer(network: nn.Module, clip_length: int | None = None,
                   clip_overlap: int | None = None) -> Streamer:
    """Choose the streamer that fits a network.

    Args:
        network (nn.Module): A restorer's ``generator``, one of
            :mod:`cdvd_mm.models.protocols`.
        clip_length (int, optional): Frames that a clip network gets at once.
            Default: None, the whole video; frame by frame where the network
            can (:class:`~cdvd_mm.models.protocols.DelayedNetwork`).
        clip_overlap (int, optional): Frames that neighbouring clips have in
            common. Default: None, 8 or what the network needs.

    Returns:
        Streamer: Ready for the first frame.

    Raises:
        ValueError: The network can be streamed in none of the known ways, or
            not on such clips.
    """
    if isinstance(network, CascadeNetwork):
        return StreamingCascade(network)
    if isinstance(network, RecurrentNetwork):
        return StreamingRecurrent(network)
    if isinstance(network, WindowNetwork):
        return StreamingWindow(network)
    if isinstance(network, DelayedNetwork) and clip_length is None:
        return StreamingDelayed(network)
    if isinstance(network, ClipNetwork):
        if clip_overlap is None:
            clip_overlap = max(DEFAULT_CLIP_OVERLAP, 2 * network.context)
        return StreamingClips(network, clip_length, clip_overlap)
    raise ValueError(f'{type(network).__name__} cannot be run frame by frame: expected '
                     f'{describe_protocols()}')
