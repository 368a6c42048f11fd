"""Reads, computes and writes at the same time."""

from __future__ import annotations

import contextlib
import dataclasses
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import TypeVar

from torch import Tensor

from cdvd_mm.inference.frame_restorer import FrameRestorer, to_array
from cdvd_mm.video.frames import Frame, FrameReader, select_frames
from cdvd_mm.video.scene_cuts import SceneCutDetector

from .options import DeblurOptions
from .sinks import Sink

_Item = TypeVar('_Item')
_QUEUE_LENGTH = 4


class Pipeline:
    """Reads, computes and writes at the same time: a thread for each of the ends."""

    def __init__(self, reader: FrameReader, restorer: FrameRestorer, sink: Sink,
                 options: DeblurOptions,
                 on_frame: Callable[[int, int], None] | None = None) -> None:
        self._reader = reader
        self._restorer = restorer
        self._sink = sink
        self._options = options
        self._on_frame = on_frame or (lambda done, expected: None)
        self._frames: queue.Queue[Frame | None] = queue.Queue(_QUEUE_LENGTH)
        self._results: queue.Queue[tuple[Frame, Tensor] | None] = queue.Queue(_QUEUE_LENGTH)
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._expected = _expected_frames(reader, options)

    def run(self) -> None:
        """Do all of it.

        Raises:
            BaseException: What went wrong in any of the threads; all of them
                have ended then, and what was finished is kept.
        """
        threads = [threading.Thread(target=self._guarded, args=(work, ), daemon=True)
                   for work in (self._read, self._write)]
        self._on_frame(self._sink.num_done, self._expected)
        for thread in threads:
            thread.start()
        try:
            self._compute()
        except BaseException as error:  # Ctrl-C among them
            self._error = self._error or error
        finally:
            if self._error is not None:
                self._stop.set()
            while threads[1].is_alive():  # the writer takes what is left, then this
                with contextlib.suppress(queue.Full):
                    self._results.put(None, timeout=0.1)
                    break
            for thread in threads:
                thread.join()
            self._restorer.reset()
        if self._error is not None:
            raise self._error

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            self._error = self._error or error
            self._stop.set()

    def _put(self, target: queue.Queue[_Item], item: _Item) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(queue.Full):
                target.put(item, timeout=0.1)
                return

    def _get(self) -> Frame | None:
        while not self._stop.is_set():
            with contextlib.suppress(queue.Empty):
                return self._frames.get(timeout=0.1)
        return None

    # -- the reading thread

    def _read(self) -> None:
        options = self._options
        frames = self._marked(self._reader.frames(options.start))
        for frame in select_frames(frames, self._reader.info, options.start, options.end,
                                   self._sink.num_done, self._restorer.context):
            self._put(self._frames, frame)
            if self._stop.is_set():
                return
        self._put(self._frames, None)

    def _marked(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        detector = SceneCutDetector(self._options.scene_threshold) \
            if self._options.scene_cuts else None
        shape = None
        for frame in frames:
            assert frame.image is not None
            if detector is not None:
                frame.cut = detector.is_cut(frame.image)
            if shape is not None and frame.image.shape != shape:
                frame.cut = True
            shape = frame.image.shape
            yield frame

    # -- the calling thread

    def _compute(self) -> None:
        pending: deque[Frame] = deque()

        def pass_on(restored: list[Tensor]) -> None:
            for image in restored:
                frame = pending.popleft()
                if frame.wanted:
                    self._put(self._results, (frame, image))

        while True:
            frame = self._get()
            if frame is None:
                break
            if frame.cut:
                pass_on(self._restorer.flush())
            image = frame.image
            assert image is not None
            if not self._options.compare:
                frame = dataclasses.replace(frame, image=None)
            pending.append(frame)
            pass_on(self._restorer.push(image))
        if not self._stop.is_set():
            pass_on(self._restorer.flush())

    # -- the writing thread

    def _write(self) -> None:
        try:
            while True:
                item = self._results.get()
                if item is None:
                    break
                frame, image = item
                self._sink.write(frame, to_array(image))
                self._on_frame(self._sink.num_done, self._expected)
            self._sink.close()
        except BaseException:
            self._sink.abort()
            raise


def _expected_frames(reader: FrameReader, options: DeblurOptions) -> int:
    info = reader.info
    if not info.num_frames:
        return 0
    rate = float(info.rate)
    last = info.num_frames if options.end is None else min(info.num_frames, options.end * rate)
    return max(0, round(last - (options.start or 0) * rate))
