"""A video or a folder of frames in, a sharp one out: the job behind ``tools/deblur.py``."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import json
import os
import queue
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from mmengine.logging import print_log

from cdvd_mm.datasets.frame_io import write_frame
from cdvd_mm.files import remove_partial_files, write_atomically

from .frame_restorer import FrameRestorer, to_array
from .video.orientation import can_store_rotation, is_transposed, side_by_side, upright
from .video.reader import IMAGE_SUFFIXES, Frame, FrameReader, open_reader, select_frames
from .video.scene_cuts import DEFAULT_THRESHOLD, SceneCutDetector
from .video.segments import SegmentStore, SegmentWriter, read_footer, read_segment
from .video.writer import CONTAINERS, EncodeSpec, SegmentEncoder, plan_encoding, write_container

_QUEUE_LENGTH = 4


@dataclasses.dataclass(frozen=True)
class DeblurOptions:
    """What to do with a video besides restoring it.

    Args:
        compare (bool): Write blurred and restored side by side.
        start (float | None): First second wanted, counted from the first frame.
        end (float | None): First second not wanted any more.
        scene_cuts (bool): Begin anew at hard cuts.
        scene_threshold (float): See
            :class:`~cdvd_mm.apis.video.scene_cuts.SceneCutDetector`.
        codec (str | None): Encoder; None: what suits the container.
        quality (float | None): Its constant quality (CRF).
        codec_options (dict | None): Its further options.
        fps (float | None): Frames a second of a folder of frames.
        overwrite (bool): Replace an output that exists.
        resume (bool): Go on where an interrupted run with these settings ended.
        segment_frames (int): Frames that an interruption costs at most.
    """

    compare: bool = False
    start: float | None = None
    end: float | None = None
    scene_cuts: bool = False
    scene_threshold: float = DEFAULT_THRESHOLD
    codec: str | None = None
    quality: float | None = None
    codec_options: dict | None = None
    fps: float | None = None
    overwrite: bool = False
    resume: bool = True
    segment_frames: int = 120

    def __post_init__(self) -> None:
        if self.start is not None and self.start < 0:
            raise ValueError(f'start must not be negative, found {self.start}')
        if self.end is not None and self.end <= (self.start or 0):
            raise ValueError(f'end ({self.end} s) must lie after start ({self.start or 0} s)')
        if self.segment_frames < 1:
            raise ValueError(f'segment_frames must be 1 or more, found {self.segment_frames}')
        if self.fps is not None and self.fps <= 0:
            raise ValueError(f'fps must be positive, found {self.fps}')


@dataclasses.dataclass(frozen=True)
class DeblurReport:
    """What came of it.

    Args:
        output (Path): The finished file or folder.
        num_frames (int): Frames in it.
        num_resumed (int): Those of them that an earlier run had made.
        seconds (float): How long this run took.
        damage (list[str]): What could not be decoded; empty for a whole input.
    """

    output: Path
    num_frames: int
    num_resumed: int
    seconds: float
    damage: list


def deblur_video(restorer: FrameRestorer, source: str | Path, output: str | Path,
                 options: DeblurOptions | None = None, model_id: str = '',
                 on_frame: Callable[[int, int], None] | None = None) -> DeblurReport:
    """Restore a video file or a folder of frames.

    While it runs, the result grows in ``OUTPUT.parts`` beside the output,
    which takes its name when all is done. After an interruption, calling it
    again goes on from there.

    Args:
        restorer (FrameRestorer): The network.
        source (str | Path): mp4, mov, mkv, webm, gif ... or a folder of pictures.
        output (str | Path): mp4, mov, mkv, webm or gif, or, without a suffix,
            a folder for PNG files.
        options (DeblurOptions, optional): What else to do.
        model_id (str): Tells models apart, so that no run is resumed with another one.
        on_frame (Callable, optional): Called with the number of frames done
            and expected (0: unknown).

    Returns:
        DeblurReport: Look at its ``damage``.

    Raises:
        FileNotFoundError: No such input.
        ValueError: Not a video, no frames, an output that exists or cannot be
            of this kind, parts of a run with other settings.
        OSError: The output cannot be written.
    """
    options = options or DeblurOptions()
    source, output = Path(source), Path(output)
    _check_paths(source, output, options)
    started = time.perf_counter()
    with open_reader(source, options.fps) as reader, \
            _Parts(output, _settings(source, output, options, restorer, model_id),
                   options.resume) as parts:
        sink = _make_sink(reader, output, parts, options)
        done = sink.num_done
        if not parts.complete:
            _Pipeline(reader, restorer, sink, options, on_frame).run()
            if sink.num_done == 0:
                parts.remove()
                raise ValueError(_nothing_found(source, options, reader))
            parts.mark_complete(reader.damage)
        sink.publish()
        parts.remove()
        return DeblurReport(output, sink.num_done, done, time.perf_counter() - started,
                            parts.damage)


def _nothing_found(source: Path, options: DeblurOptions, reader: FrameReader) -> str:
    if options.start is not None or options.end is not None:
        return (f'no frames of {source} lie between {options.start or 0} s and '
                f'{"its end" if options.end is None else f"{options.end} s"}')
    return f'no frames of {source} could be decoded: {"; ".join(reader.damage) or "it has none"}'


def is_folder_output(output: Path) -> bool:
    """Whether an output is a folder of frames: it has no suffix, or is a folder already."""
    return output.is_dir() or not output.suffix


def _check_paths(source: Path, output: Path, options: DeblurOptions) -> None:
    if not source.exists():
        raise FileNotFoundError(f'no such input: {source}')
    if source.resolve() == output.resolve() or (output.exists() and source.samefile(output)):
        raise ValueError(f'input and output are the same: {source}')
    if output.suffix.lower() in IMAGE_SUFFIXES:
        raise ValueError(f'{output} names one picture: give a folder (a name without a suffix) '
                         f'for frames, or a name ending in {", ".join(CONTAINERS)}')
    if output.is_dir():
        if output.suffix.lower() in CONTAINERS:
            raise ValueError(f'{output} is a folder: a video needs another name')
        if any(output.iterdir()) and not options.overwrite:
            raise ValueError(f'the folder {output} is not empty: choose another one, or pass '
                             '--overwrite to replace it')
    elif output.exists() and not options.overwrite:
        raise ValueError(f'{output} exists: choose another name, or pass --overwrite')
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f'cannot write {output}: {error.strerror} ({error.filename})') from error
    if not os.access(output.parent, os.W_OK):
        raise OSError(f'cannot write {output}: no permission to write into {output.parent}')


def _settings(source: Path, output: Path, options: DeblurOptions, restorer: FrameRestorer,
              model_id: str) -> dict:
    """All that the frames depend on; a run is resumed only where it is unchanged."""
    files = sorted(source.iterdir()) if source.is_dir() else [source]
    digest = hashlib.sha256()
    for file in files:
        stat = file.stat()
        digest.update(f'{file.name}:{stat.st_size}:{stat.st_mtime_ns};'.encode())
    chosen = dataclasses.asdict(options)
    for name in ('overwrite', 'resume', 'segment_frames'):
        del chosen[name]
    return {
        'input': str(source.resolve()), 'input files': digest.hexdigest(),
        'output': output.name, 'model': model_id, 'precision': restorer.precision,
        'tile': str(restorer.tile), 'overlap': restorer.overlap,
        **{name: str(value) for name, value in chosen.items()},
    }


class _Parts:
    """The folder beside the output in which the result grows.

    Args:
        output (Path): The output.
        settings (dict): What the result depends on.
        resume (bool): Keep what is there already.
    """

    def __init__(self, output: Path, settings: dict, resume: bool) -> None:
        self.folder = output.with_name(output.name + '.parts')
        self._state = self.folder / 'state.json'
        self._settings = settings
        self._resume = resume
        self.complete = False
        self.damage: list[str] = []

    def __enter__(self) -> _Parts:
        try:
            self.folder.mkdir(exist_ok=True)
            self._lock = open(self.folder / 'lock', 'w')  # noqa: SIM115
        except OSError as error:
            raise OSError(f'cannot write beside the output: {error.strerror} '
                          f'({self.folder})') from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise ValueError(f'another run is writing {self.folder} already') from error
        try:
            self._load()
        except BaseException:
            self._lock.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.close()
        with contextlib.suppress(OSError):
            if not any(path.is_file() and path.name not in ('lock', 'state.json')
                       for path in self.folder.rglob('*')):
                shutil.rmtree(self.folder)  # nothing worth keeping

    def _load(self) -> None:
        if not self._resume:
            self._clear()
        if self._state.is_file():
            state = json.loads(self._state.read_text(encoding='utf-8'))
            before, now = state['settings'], self._settings
            changed = [f'{key}: {before.get(key)} -> {now.get(key)}'
                       for key in sorted(set(before) | set(now)) if before.get(key) != now.get(key)]
            if changed:
                raise ValueError(
                    f'{self.folder} holds the parts of an interrupted run with other settings '
                    f'({"; ".join(changed)}): repeat those to go on, or pass --no-resume to '
                    'start again')
            self.complete = state.get('complete', False)
            self.damage = state.get('damage', [])
        else:
            self._clear()
            self._save()

    def _clear(self) -> None:
        for path in self.folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != 'lock':
                path.unlink()

    def _save(self) -> None:
        state = {'settings': self._settings, 'complete': self.complete, 'damage': self.damage}
        write_atomically(self._state, json.dumps(state, indent=1), sync=False)

    def mark_complete(self, damage: list[str]) -> None:
        """Note that all frames are there."""
        self.complete, self.damage = True, list(damage)
        self._save()

    def remove(self) -> None:
        """Drop the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


class _FolderSink:
    """Writes PNG files; the folder gets its name at the end."""

    def __init__(self, output: Path, parts: _Parts, reader: FrameReader,
                 options: DeblurOptions) -> None:
        self._output = output
        self._folder = parts.folder / 'frames'
        self._folder.mkdir(exist_ok=True)
        remove_partial_files(self._folder)
        self._matrix = reader.info.display_matrix
        self._compare = options.compare
        self.num_done = sum(1 for _ in self._folder.glob('*.png'))

    def write(self, frame: Frame, image: np.ndarray) -> None:
        """Write a restored picture, complete or not at all."""
        if self._compare:
            image = side_by_side(frame.image, image, self._matrix)
        image = upright(image, self._matrix)
        name = frame.name or f'{self.num_done:08d}'
        write_frame(str(self._folder / f'{name}.png'), np.ascontiguousarray(image))
        self.num_done += 1

    def close(self) -> None:
        """Nothing is open between pictures."""

    abort = close

    def publish(self) -> None:
        """Give the folder its name."""
        old = None
        if self._output.exists():
            old = self._output.with_name(self._output.name + '.parts') / 'replaced'
            os.replace(self._output, old)
        os.replace(self._folder, self._output)


class _VideoSink:
    """Encodes segments; they become a file at the end."""

    def __init__(self, output: Path, parts: _Parts, reader: FrameReader,
                 options: DeblurOptions) -> None:
        info = reader.info
        self._output = output
        self._folder = parts.folder
        self._source = None if info.is_folder else reader.path
        self._options = options
        self._matrix = info.display_matrix
        container = CONTAINERS.get(output.suffix.lower(), '')
        self._turn = self._matrix is not None and not can_store_rotation(container)
        self._size = (info.height, info.width)
        height, width = self._arrange(np.zeros((*self._size, 3), np.uint8),
                                      np.zeros((*self._size, 3), np.uint8)).shape[:2]
        if self._turn and is_transposed(self._matrix):
            info = dataclasses.replace(info, sample_aspect_ratio=1 / info.sample_aspect_ratio)
        self._spec: EncodeSpec = plan_encoding(info, output, (width, height), options.codec,
                                               options.quality, options.codec_options)
        self._scale = info.time_base / self._spec.time_base
        self._store = SegmentStore(self._folder)
        self._store.drop_leftovers()
        self.num_done = self._store.num_frames()
        self._last_pts = -(1 << 62)
        for path in self._store.paths()[-1:]:
            self._last_pts = max(p.pts for p in read_segment(path, with_data=False))
        self._encoder: SegmentEncoder | None = None
        self._warned = False
        # settings that the encoder refuses are to be told before the work begins
        SegmentEncoder(self._spec, SegmentWriter(self._folder, 0)).writer.discard()

    def _arrange(self, blurred: np.ndarray, image: np.ndarray) -> np.ndarray:
        if self._options.compare:
            image = side_by_side(blurred, image, self._matrix)
        return upright(image, self._matrix) if self._turn else image

    def _fit(self, image: np.ndarray) -> np.ndarray:
        if image.shape[:2] == self._size:
            return image
        if not self._warned:
            self._warned = True
            print_log(f'the size changes from {self._size[1]}x{self._size[0]} to '
                      f'{image.shape[1]}x{image.shape[0]}: a file has one size, so frames are '
                      'scaled to the first one (a folder of frames keeps them as they are)',
                      'current', 30)
        return cv2.resize(image, self._size[::-1], interpolation=cv2.INTER_CUBIC)

    def write(self, frame: Frame, image: np.ndarray) -> None:
        """Encode a restored picture."""
        if self._encoder is None:
            self._encoder = SegmentEncoder(self._spec,
                                           SegmentWriter(self._folder, self.num_done))
        blurred = self._fit(frame.image) if self._options.compare else image
        pts = max(round(frame.pts * self._scale), self._last_pts + 1)
        self._last_pts = pts
        self._encoder.encode(self._arrange(blurred, self._fit(image)), pts,
                             round(frame.duration * self._scale))
        self.num_done += 1
        if self._encoder.count >= self._options.segment_frames:
            self.close()

    def close(self) -> None:
        """Finish the segment in progress."""
        encoder, self._encoder = self._encoder, None
        if encoder is not None:
            encoder.finish()

    def abort(self) -> None:
        """Drop the segment in progress (the disk is full, say)."""
        encoder, self._encoder = self._encoder, None
        if encoder is not None:
            self.num_done -= encoder.count
            with contextlib.suppress(OSError):
                encoder.writer.discard()

    def publish(self) -> None:
        """Join the segments to the file."""
        segments = self._store.paths()
        offset, end = Fraction(0), None
        if self._options.start is not None or self._options.end is not None:
            first = min(p.pts for p in read_segment(segments[0], with_data=False))
            if self._options.start:
                offset = first * self._spec.time_base
            if self._options.end is not None:
                duration = read_footer(segments[-1])['last_duration'] * self._spec.time_base
                end = self._last_pts * self._spec.time_base + (duration or 1 / self._spec.rate)
        joined = self._folder / f'joined{self._output.suffix}'
        write_container(joined, self._spec, segments, self._source, offset, end)
        os.replace(joined, self._output)


def _make_sink(reader: FrameReader, output: Path, parts: _Parts, options: DeblurOptions):
    kind = _FolderSink if is_folder_output(output) else _VideoSink
    return kind(output, parts, reader, options)


class _Pipeline:
    """Reads, computes and writes at the same time: a thread for each of the ends."""

    def __init__(self, reader: FrameReader, restorer: FrameRestorer, sink: object,
                 options: DeblurOptions, on_frame: Callable[[int, int], None] | None) -> None:
        self._reader = reader
        self._restorer = restorer
        self._sink = sink
        self._options = options
        self._on_frame = on_frame or (lambda done, expected: None)
        self._frames: queue.Queue = queue.Queue(_QUEUE_LENGTH)
        self._results: queue.Queue = queue.Queue(_QUEUE_LENGTH)
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

    def _put(self, target: queue.Queue, item: object) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(queue.Full):
                target.put(item, timeout=0.1)
                return

    def _get(self, source: queue.Queue) -> object:
        while not self._stop.is_set():
            with contextlib.suppress(queue.Empty):
                return source.get(timeout=0.1)
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
            if detector is not None:
                frame.cut = detector.is_cut(frame.image)
            if shape is not None and frame.image.shape != shape:
                frame.cut = True
            shape = frame.image.shape
            yield frame

    # -- the calling thread

    def _compute(self) -> None:
        pending: deque[Frame] = deque()

        def pass_on(restored: list) -> None:
            for image in restored:
                frame = pending.popleft()
                if frame.wanted:
                    self._put(self._results, (frame, image))

        while True:
            frame = self._get(self._frames)
            if frame is None:
                break
            if frame.cut:
                pass_on(self._restorer.flush())
            image = frame.image
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
