"""Run several models on the same frames and collect what they do."""

import hashlib
import json
import logging
import os
import shutil
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import torch
from mmengine.dist import (
    all_gather_object,
    get_dist_info,
    init_dist,
    is_distributed,
    is_main_process,
)
from mmengine.logging import print_log

from cdvd_mm.compat.distributed import init_cpu_process_group
from cdvd_mm.datasets.dvd import DVDDataset
from cdvd_mm.datasets.frame_files import write_frame
from cdvd_mm.datasets.frames import read_frame
from cdvd_mm.datasets.gopro import GoProDataset
from cdvd_mm.datasets.records import Video
from cdvd_mm.datasets.video_deblur import VideoDeblurDataset
from cdvd_mm.engine.config import load_config
from cdvd_mm.evaluation.ledger import Ledger
from cdvd_mm.evaluation.protocols import Protocol, get_protocol
from cdvd_mm.evaluation.results import count_identical, file_sha256, mean
from cdvd_mm.evaluation.scores import lpips_missing, score_frame
from cdvd_mm.files import write_atomically
from cdvd_mm.progress import progress_bar
from cdvd_mm.reports.options import CompareOptions

from .measure import measure_macs, measure_speed
from .models import ComparedModel, Entry, check_entries, parse_entries

BLURRED = 'blurred input'
SCORE_THREADS = 2


@dataclass
class Outcome:
    """What came of one model.

    Attributes:
        label (str): Its name.
        entry (Entry, optional): None for the blurred input.
        info (dict): Parameters, multiply-adds, speed, memory.
        rows (list[dict]): ``key``, ``video``, ``frame_index``, ``path`` of
            the restored frame, and the scores.
        error (str, optional): Why it failed.
    """

    label: str
    entry: Entry | None = None
    info: dict = field(default_factory=dict)
    rows: list[dict] = field(default_factory=list)
    error: str | None = None

    def mean(self, metric: str) -> float | None:
        """Mean of a metric over all frames, see :func:`mean`; None where there is none."""
        values = [row[metric] for row in self.rows if metric in row]
        return mean(values) if values and len(values) == len(self.rows) else None

    @property
    def num_identical(self) -> int:
        """Frames that equal the truth, which the mean PSNR leaves out."""
        return count_identical(self.rows)


@dataclass
class Comparison:
    """The data of a comparison and what came of every model, the blurred input first."""

    data_root: str
    dataset: str | None
    protocol: Protocol
    metrics: tuple[str, ...]
    notes: list[str]
    videos: list[tuple[str, Video]]
    outcomes: list[Outcome]

    @property
    def failures(self) -> list[str]:
        """Who failed, and why."""
        return [f'{o.label} failed: {o.error}' for o in self.outcomes if o.error]

    @property
    def num_frames(self) -> int:
        """Frames restored and scored."""
        return sum(len(self.protocol.frames(len(video))) for _, video in self.videos)


def run_comparison(options: CompareOptions) -> Comparison:
    """Restore and score the frames of a dataset with every model.

    Restored frames and scores go to ``models`` in the folder of the report.
    LPIPS is left out with a note where its package or weights are missing.

    Args:
        options (CompareOptions): What to compare.

    Returns:
        Comparison: Complete on the main process.

    Raises:
        FileNotFoundError: There are no videos.
        ValueError: Unknown protocol or metric, wrong data, or a model that cannot be built from
            its config and checkpoint: all are tried before the first one runs.
    """
    if options.launcher != 'none':
        init_cpu_process_group(options.launcher)
        if not is_distributed():
            init_dist(options.launcher, backend='nccl' if torch.cuda.is_available() else 'gloo')
    entries = parse_entries(options.models, options.names)
    chosen = get_protocol(options.protocol)
    metrics: tuple[str, ...] = ('PSNR', 'SSIM')
    notes = []
    if options.lpips:
        missing = lpips_missing()
        if missing:
            notes.append(f'LPIPS is not computed: {missing}.')
        else:
            metrics += ('LPIPS', )
    data_root = options.data
    videos = find_videos(data_root)
    comparison = Comparison(os.path.abspath(data_root), official_name(videos), chosen, metrics,
                            notes, videos, [])
    if not comparison.num_frames:
        raise ValueError(f'protocol {chosen.name} has no frames in {data_root}: it leaves out '
                         f'{chosen.skip_ends} frames at either end, and the videos have '
                         f'{", ".join(str(len(video)) for _, video in videos)}')
    check_entries(entries, [(name, len(video)) for name, video in videos], options.device)
    runs = [_ModelRun(comparison, outcome, options) for outcome in (
        Outcome(BLURRED), *(Outcome(entry.label, entry) for entry in entries))]
    with progress_bar() as bar:
        task = bar.add_task('comparing', total=len(runs) * comparison.num_frames)
        for number, run in enumerate(runs, 1):
            bar.update(task, description=run.outcome.label)
            run.run(lambda frames: bar.advance(task, frames))
            comparison.outcomes.append(run.outcome)
            bar.update(task, completed=number * comparison.num_frames)  # a failed one is done too
    return comparison


def find_videos(data_root: str) -> list[tuple[str, Video]]:
    """Find the test videos of a folder in any known layout, with their sharp frames.

    Raises:
        FileNotFoundError: There are none.
        ValueError: Something is wrong with the frames, or they have no truth.
    """
    dataset = VideoDeblurDataset(data_root, split='test', mode='video', num_frames=3,
                                 test_mode=True, lazy_init=True)
    videos = dataset.find_videos()
    without = [name for name, video in videos if video.sharp is None]
    if without:
        raise ValueError(f'{data_root} has no sharp frames for {", ".join(without)}; a comparison '
                         'needs them')
    return videos


def official_name(videos: list[tuple[str, Video]]) -> str | None:
    """Name of the dataset whose official test videos these are."""
    names = {name for name, _ in videos}
    for name, dataset in (('GOPRO', GoProDataset), ('DVD', DVDDataset)):
        if names == set(dataset.OFFICIAL_TEST_VIDEOS):
            return name
    return None


class _ModelRun:
    """One row of the comparison: measured, run on this process's videos, gathered."""

    def __init__(self, comparison: Comparison, outcome: Outcome, options: CompareOptions) -> None:
        self.comparison, self.outcome = comparison, outcome
        self.device, self.repeats, self.resume = options.device, options.repeats, options.resume
        self.folder = os.path.join(options.out, 'models', outcome.label.replace(os.sep, '_'))

    def run(self, advance: Callable[[int], None]) -> None:
        """Do it; a failure is kept in the outcome."""
        self.outcome.error = self._attempt(self._prepare) or \
            self._attempt(lambda: self._work(advance))
        if not self.outcome.error and is_main_process():
            self.outcome.rows = sorted(self._earlier_rows().values(),
                                       key=lambda row: (row['video'], row['frame_index']))
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _attempt(self, step: Callable[[], None]) -> str | None:
        """Do a step on every process; return why it failed on any, after all are through."""
        error = None
        try:
            step()
        except Exception as problem:  # whatever it is, the other models go on
            expected = isinstance(problem, (ValueError, FileNotFoundError))
            error = str(problem) if expected else f'{type(problem).__name__}: {problem}'
            print_log(f'{self.outcome.label} failed: '
                      f'{error if expected else traceback.format_exc()}',
                      logger='current', level=logging.ERROR)
        return next((text for text in all_gather_object(error) if text), None)

    def _prepare(self) -> None:
        if is_main_process():
            if not self.resume:
                shutil.rmtree(self.folder, ignore_errors=True)
            os.makedirs(self.folder, exist_ok=True)
        self.ledger = Ledger(self.folder, self._sign())

    def _work(self, advance: Callable[[int], None]) -> None:
        rank, world_size = get_dist_info()
        done = self._earlier_rows()
        advance(len(done))
        model = None if self.outcome.entry is None else self._build(self.outcome.entry)
        if model is not None:
            for name, video in self.comparison.videos:
                model.check_length(name, len(video))
            if is_main_process():
                self._measure(model)
        self._restore(model, self.comparison.videos[rank::world_size], done, advance)
        self.ledger.close()

    def _sign(self) -> dict[str, str | None]:
        """What must agree for earlier results to count."""
        comparison, entry = self.comparison, self.outcome.entry
        data = [comparison.data_root, comparison.metrics,
                [(name, video.stems) for name, video in comparison.videos]]
        signature: dict[str, str | None] = dict(protocol=comparison.protocol.name,
                                                data=_digest(data))
        if entry is not None:
            model = load_config(entry.config).get('model')
            signature.update(
                model=_digest(model and model.to_dict()),
                checkpoint_sha256=file_sha256(entry.checkpoint)
                if entry.checkpoint and os.path.isfile(entry.checkpoint) else None)
        return signature

    def _build(self, entry: Entry) -> ComparedModel:
        # the same random weights on every run where there is no checkpoint
        torch.manual_seed(0)
        return ComparedModel(entry, self.device)

    # ---------------------------------------------------------------- measure

    def _measure(self, model: ComparedModel) -> None:
        path = os.path.join(self.folder, 'info.json')
        if self.resume and os.path.isfile(path):
            with open(path, encoding='utf-8') as file:
                known = json.load(file)
            if known.get('signature') == self.ledger.signature and known.get('device') == str(
                    model.device):
                self.outcome.info = known
                return
        info = {'signature': self.ledger.signature, 'device': str(model.device),
                'parameters': model.count_parameters(), **measure_macs(model)}
        video = self.comparison.videos[0][1]
        frames = _read_frames(video.blur[:model.num_frames or 5])
        info.update(measure_speed(model, frames, self.repeats))
        write_atomically(path, json.dumps(info, indent=1))
        self.outcome.info = info

    # ---------------------------------------------------------------- restore

    def _earlier_rows(self) -> dict[str, dict]:
        """Rows written so far, by this run or the one that is resumed."""
        return {row['key']: row for row in self.ledger.rows() if os.path.isfile(row['path'])}

    def _restore(self, model: ComparedModel | None, videos: list[tuple[str, Video]],
                 done: dict[str, dict], advance: Callable[[int], None]) -> None:
        with ThreadPoolExecutor(SCORE_THREADS) as pool:
            pending: deque[Future] = deque()
            for job in self._jobs(model, videos, done):
                pending.append(pool.submit(self._score, *job))
                while pending and (len(pending) > 2 * SCORE_THREADS or pending[0].done()):
                    self._keep(pending.popleft().result(), advance)
            while pending:
                self._keep(pending.popleft().result(), advance)

    def _keep(self, row: dict, advance: Callable[[int], None]) -> None:
        self.ledger.append(row)
        advance(1)

    def _jobs(self, model, videos, done) -> Iterator[tuple]:
        for name, video in videos:
            wanted = [index for index in self.comparison.protocol.frames(len(video))
                      if f'{name}/{video.stems[index]}' not in done]
            if not wanted:
                continue
            if model is None:
                for index in wanted:
                    yield name, video, index, None
                continue
            frames = _read_frames(video.blur)
            for index, restored in model.restore_video(frames, wanted,
                                                       self.comparison.protocol.truncate):
                yield name, video, index, restored.permute(1, 2, 0).numpy()

    def _score(self, name: str, video: Video, index: int, restored: np.ndarray | None) -> dict:
        key = f'{name}/{video.stems[index]}'
        path = video.blur[index]
        if restored is None:
            restored = read_frame(path)
        else:
            path = os.path.join(self.folder, 'frames', f'{key}.png')
            os.makedirs(os.path.dirname(path), exist_ok=True)
            write_frame(path, restored)
        assert video.sharp is not None  # find_videos saw to it
        scores = score_frame(restored, read_frame(video.sharp[index]), self.comparison.protocol,
                             self.comparison.metrics)
        return {'key': key, 'video': name, 'frame_index': index, 'path': path, **scores}


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, default=str).encode()).hexdigest()


def _read_frames(paths: Sequence[str]) -> torch.Tensor:
    """Read frames to (t, 3, h, w), uint8, RGB."""
    return torch.from_numpy(np.stack([read_frame(path) for path in paths])).permute(0, 3, 1, 2)
