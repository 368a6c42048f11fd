"""Networks fed frame by frame: no work done twice, no more kept than needed.

Every streamer offers ``push(frame) -> restored frames that became ready``,
``flush() -> the rest``, and says how much of a video it rests on: ``margin``
and ``memory``. As many frames come out as went in.
"""

from .build import build_streamer
from .clips import DEFAULT_CLIP_OVERLAP, StreamingClips, check_clips
from .frame_by_frame import (
    StreamingCascade,
    StreamingDelayed,
    StreamingRecurrent,
    StreamingWindow,
)
from .streamer import Streamer, stream_video

__all__ = [
    'DEFAULT_CLIP_OVERLAP', 'Streamer', 'StreamingCascade', 'StreamingClips', 'StreamingDelayed',
    'StreamingRecurrent', 'StreamingWindow', 'build_streamer', 'check_clips', 'stream_video'
]
