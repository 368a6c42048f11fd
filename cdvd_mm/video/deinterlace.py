"""Whole frames of fields, by FFmpeg's bwdif."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from fractions import Fraction

import av


class Deinterlacer:
    """Makes one frame of every frame's two fields, at its time.

    Args:
        time_base (Fraction): Unit of the times.
    """

    def __init__(self, time_base: Fraction) -> None:
        self._time_base = time_base
        self._graph: av.filter.Graph | None = None
        self._form: tuple[int, int, str] | None = None
        self._times: deque[tuple[int, int]] = deque()

    def check(self, frame: av.VideoFrame) -> None:
        """Look whether frames like this one can be deinterlaced.

        Raises:
            ValueError: They cannot.
        """
        try:
            _graph(frame, self._time_base)
        except (av.FFmpegError, ValueError) as error:
            raise ValueError(f'frames of {frame.width}x{frame.height}, {frame.format.name}, cannot '
                             f'be deinterlaced: {error}') from error

    def push(self, frame: av.VideoFrame, time: int,
             duration: int) -> Iterator[tuple[av.VideoFrame, int, int]]:
        """Take a frame with its time and duration; give what is done, one frame later."""
        form = frame.width, frame.height, frame.format.name
        if form != self._form:
            yield from self.flush()
            self._graph, self._form = _graph(frame, self._time_base), form
        self._times.append((time, duration))
        frame.pts, frame.time_base = time, self._time_base
        assert self._graph is not None
        self._graph.push(frame)
        yield from self._done()

    def flush(self) -> Iterator[tuple[av.VideoFrame, int, int]]:
        """Give what is left."""
        if self._graph is not None:
            self._graph.push(None)
            yield from self._done()
            self._graph = self._form = None

    def _done(self) -> Iterator[tuple[av.VideoFrame, int, int]]:
        assert self._graph is not None
        while True:
            try:
                frame = self._graph.pull()
            except (av.BlockingIOError, av.EOFError):
                return
            assert isinstance(frame, av.VideoFrame)
            yield (frame, *self._times.popleft())


def _graph(frame: av.VideoFrame, time_base: Fraction) -> av.filter.Graph:
    """All frames, whatever they are marked as: it was asked for."""
    graph = av.filter.Graph()
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format,
                              time_base=time_base)
    bwdif, sink = graph.add('bwdif', 'mode=send_frame:deint=all'), graph.add('buffersink')
    source.link_to(bwdif)
    bwdif.link_to(sink)
    graph.configure()
    return graph
