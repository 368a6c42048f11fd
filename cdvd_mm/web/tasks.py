"""What the processes of the page do; see :mod:`cdvd_mm.web.worker`."""

from __future__ import annotations

import dataclasses
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cdvd_mm.video.contents import look_at
from cdvd_mm.video.encoding import CONTAINERS
from cdvd_mm.video.file_reader import open_source
from cdvd_mm.video.frames import VideoInfo
from cdvd_mm.video.orientation import is_transposed
from cdvd_mm.video.reader import open_reader

from .options import Model
from .views import write_overlays, write_view

if TYPE_CHECKING:  # imported where it is needed: it takes seconds
    from cdvd_mm.deblur.inferencer import VideoDeblurInferencer

Tell = Callable[..., None]

PICTURES_PER_SECOND = 2.
_HDR = {16: 'HDR (PQ)', 18: 'HDR (HLG)'}
_TELL_EVERY = 0.25  # seconds
_MEASURED_SIZE = (256, 448)
_MEASURED_FRAMES = 8


@dataclasses.dataclass(frozen=True)
class Found:
    """What an upload is.

    Args:
        width (int): As it is shown.
        height (int): Likewise.
        rate (float): Frames a second.
        num_frames (int): 0: unknown.
        seconds (float): 0: unknown.
        rotation (int): Degrees by which a player turns it, counter-clockwise.
        colours (str): 'HDR (PQ), 10 bit' ...
        sound (tuple[str, ...]): Codecs of its sound.
        others (dict[str, int]): What else it carries: kinds of streams, chapters.
        pictures (bool): Pictures, no video.
    """

    width: int
    height: int
    rate: float
    num_frames: int
    seconds: float
    rotation: int
    colours: str
    sound: tuple[str, ...]
    others: dict[str, int]
    pictures: bool

    @property
    def megapixels(self) -> float:
        """Of a frame."""
        return self.width * self.height / 1e6


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came of a restoration.

    Args:
        file (Path): What the user takes home.
        num_frames (int): Frames in it.
        seconds (float): How long the network and the encoder took.
        remarks (list[str]): Damage of the input, what does not go over, what is not as it
            should be.
        sees (bool): The network estimates flow, or has a sharpness prior.
    """

    file: Path
    num_frames: int
    seconds: float
    remarks: list[str]
    sees: bool


def look(tell: Tell, source: Path, max_seconds: float) -> Found:
    """Say what an upload is.

    Raises:
        ValueError: It is no video, nothing of it can be decoded, or it is too long.
    """
    tell('looking at it')
    if source.is_file() and _is_text(source):
        raise ValueError(f'{source} is a text: expected a video or pictures')
    sound: list[str] = []
    others: Counter[str] = Counter()
    if source.is_file():
        with open_reader(source) as reader, open_source(source) as container:
            info, contents = reader.info, look_at(container)
        for stream in contents.streams[1:]:
            if stream.kind == 'audio':
                sound.append(stream.codec or 'unknown')
            else:
                others[stream.kind] += 1
        others['chapter'] += len(contents.chapters)
    else:
        with open_reader(source, PICTURES_PER_SECOND) as reader:
            info = reader.info
    found = _describe(info, tuple(sound), {kind: n for kind, n in others.items() if n})
    if found.seconds > max_seconds and not found.pictures:
        raise ValueError(f'{source} lasts {found.seconds:.0f} s, and this page takes '
                         f'{max_seconds:g} s at most: cut it, or use the command line')
    return found


def _is_text(path: Path) -> bool:
    """Whether a file begins like a text: FFmpeg takes lists of other files for videos."""
    with open(path, 'rb') as file:
        start = file.read(4096)
    return bool(start) and not any(byte < 9 or 13 < byte < 32 for byte in start)


def _describe(info: VideoInfo, sound: tuple[str, ...], others: dict[str, int]) -> Found:
    width = round(info.width * info.sample_aspect_ratio)
    turned = is_transposed(info.display_matrix)
    colours = f'{_HDR.get(info.color.transfer, "SDR")}, {info.bit_depth} bit'
    seconds = float(info.duration or info.num_frames / info.rate)
    return Found(info.height if turned else width, width if turned else info.height,
                 float(info.rate), info.num_frames, seconds, info.rotation, colours, sound, others,
                 info.is_folder)


def measure(tell: Tell, model: Model, inference: dict[str, Any]) -> float:
    """Seconds that a model takes for a megapixel on this device."""
    tell('loading the model')
    restorer = _load(model, inference).restorer
    tell('measuring')
    frame = np.random.default_rng(0).integers(0, 256, (*_MEASURED_SIZE, 3), np.uint8)
    for num_frames in (3, _MEASURED_FRAMES):  # the first ones take longer
        started = time.perf_counter()
        given = sum(len(restorer.push(frame)) for _ in range(num_frames)) + len(restorer.flush())
    return (time.perf_counter() - started) / (given * frame[..., 0].size / 1e6)


def restore(tell: Tell, model: Model, inference: dict[str, Any], source: Path, output: Path,
            options: dict[str, Any]) -> Outcome:
    """Restore a video, or a folder of pictures, and make the views of before and after.

    Args:
        tell (Tell): Takes phase, frames done and expected.
        model (Model): The model.
        inference (dict[str, Any]): Fields of InferenceOptions.
        source (Path): The upload.
        output (Path): The result; ``before.mp4`` and ``after.mp4`` are written beside it.
        options (dict[str, Any]): Fields of DeblurOptions.

    Raises:
        ValueError: See :func:`~cdvd_mm.deblur.job.run_job`.
    """
    from cdvd_mm.deblur.options import DeblurOptions
    from cdvd_mm.deblur.plan import make_plan
    from cdvd_mm.inference.details import has_details
    chosen = DeblurOptions(**options)
    with open_reader(source, chosen.fps) as reader:
        plan = make_plan(reader, output, chosen)
        tell('loading the model')
        inferencer = _load(model, inference)
        report = inferencer.run(plan, _Throttled(tell, 'restoring'))
    carry = plan.carry
    losses = [*plan.reader.info.losses, *(() if plan.encoding is None else plan.encoding.losses),
              *(() if carry is None else carry.losses)]
    tell('making the views')
    fps = PICTURES_PER_SECOND
    write_view(source, output.with_name('before.mp4'), fps, chosen.start, chosen.end)
    write_view(output, output.with_name('after.mp4'), fps)
    return Outcome(_packed(output), report.num_frames, report.seconds,
                   list(dict.fromkeys([*report.damage, *losses, *report.problems])),
                   has_details(inferencer.restorer.network))


def see(tell: Tell, model: Model, inference: dict[str, Any], source: Path, seconds: float,
        folder: Path) -> list[str]:
    """Draw what the network saw in a frame: sharpness prior and flow; the names of the pictures.

    Raises:
        ValueError: The network has neither.
    """
    tell('loading the model')
    restorer = _load(model, inference).restorer
    tell('looking through the network')
    return write_overlays(restorer, source, PICTURES_PER_SECOND, seconds, folder)


class _Throttled:
    """Reports frames, but not more often than anyone looks."""

    def __init__(self, tell: Tell, phase: str) -> None:
        self._tell = tell
        self._phase = phase
        self._last = 0.

    def __call__(self, done: int, expected: int) -> None:
        """Take what :class:`~cdvd_mm.deblur.pipeline.Pipeline` says."""
        now = time.monotonic()
        if now - self._last >= _TELL_EVERY or done == expected:
            self._last = now
            self._tell(self._phase, done, max(done, expected))


def _packed(output: Path) -> Path:
    """A result as one file."""
    if output.suffix.lower() in CONTAINERS:
        return output
    packed = output.with_name(f'{output.name}.zip')
    with zipfile.ZipFile(packed, 'w', zipfile.ZIP_STORED) as archive:
        for path in sorted(output.iterdir()):
            archive.write(path, path.name)
    return packed


_loaded: dict[Model, VideoDeblurInferencer] = {}


def _load(model: Model, inference: dict[str, Any]) -> VideoDeblurInferencer:
    """The model, kept until another one is asked for."""
    if model not in _loaded:
        from cdvd_mm.deblur.inferencer import VideoDeblurInferencer
        _loaded.clear()
        _loaded[model] = VideoDeblurInferencer(model.config, model.checkpoint, **inference)
    return _loaded[model]
