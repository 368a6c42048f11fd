"""What a file carries: which of its streams is the film."""

from __future__ import annotations

import av
from av.container import InputContainer
from av.stream import Disposition


def film_stream(container: InputContainer) -> av.VideoStream | None:
    """The stream that is the film; None where there are covers at most.

    One that can be decoded, the default one, the largest, the longest: a preview, or an animated
    AVIF's single picture, comes after those.
    """
    def rank(stream: av.VideoStream) -> tuple[bool, bool, int, int]:
        can_decode = stream.codec_context is not None
        return (can_decode, bool(stream.disposition & Disposition.default),
                stream.width * stream.height if can_decode else 0, stream.frames)

    films = [stream for stream in container.streams.video
             if not stream.disposition & Disposition.attached_pic]
    return max(films, default=None, key=rank)
