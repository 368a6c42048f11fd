"""Check a downloaded dataset, and write the store that training reads fastest."""

from __future__ import annotations

import json
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field

import numpy as np

from cdvd_mm.datasets.bsd import BSDDataset
from cdvd_mm.datasets.dvd import DVDDataset
from cdvd_mm.datasets.frame_files import decode_frame, read_bytes
from cdvd_mm.datasets.frame_store import is_store, unfinished_store
from cdvd_mm.datasets.frames import read_frame
from cdvd_mm.datasets.gopro import GoProDataset
from cdvd_mm.datasets.layouts import (
    EXPECTED,
    VideoFolder,
    check_frames,
    find_layout,
    list_frames,
    pair_frames,
    video_folders,
)
from cdvd_mm.datasets.records import FrameError, Problem, Video
from cdvd_mm.datasets.reds import REDSDataset
from cdvd_mm.datasets.video_deblur import VideoDeblurDataset
from cdvd_mm.files import write_atomically
from cdvd_mm.progress import track

from .store_writer import write_store

DATASETS_BY_NAME: dict[str, type[VideoDeblurDataset]] = {
    'DVD': DVDDataset, 'GOPRO': GoProDataset, 'BSD': BSDDataset, 'REDS': REDSDataset}


@dataclass
class SplitReport:
    """What was found of one split: numbers, and the videos themselves."""

    layout: str | None = None
    official: bool = False
    expected: tuple[int, int | None] | None = None
    videos: list[Video] = field(default_factory=list)

    @property
    def num_frames(self) -> int:
        """Number of blurred frames."""
        return sum(len(video) for video in self.videos)

    @property
    def sizes(self) -> dict[str, int]:
        """Number of videos of each frame size."""
        return dict(Counter('unknown' if v.size is None else f'{v.size[1]}x{v.size[0]}'
                            for v in self.videos).most_common())

    def as_dict(self) -> dict:
        """For the JSON report."""
        return dict(
            layout=self.layout, official=self.official, num_videos=len(self.videos),
            num_frames=self.num_frames, expected=self.expected, sizes=self.sizes,
            videos=[dict(name=v.name, frames=len(v), size=v.size, ground_truth=v.sharp is not None)
                    for v in self.videos])


@dataclass
class Report:
    """All that a check found.

    Attributes:
        dataset: 'DVD', 'GOPRO', 'BSD' or 'REDS'.
        root: Its folder; of BSD that of an exposure.
        deep: Whether every frame was decoded.
        splits: What was found of each split.
        problems: What has to be put right.
        notes: What is worth knowing.
    """

    dataset: str
    root: str
    deep: bool
    splits: dict[str, SplitReport] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict:
        """For the JSON report."""
        return dict(dataset=self.dataset, root=self.root, deep=self.deep, ok=not self.problems,
                    splits={k: v.as_dict() for k, v in self.splits.items()},
                    problems=[asdict(p) for p in self.problems], notes=self.notes)


def prepare(dataset: str, root: str, deep: bool = False, json_path: str | None = None,
            store: str | None = None, codec: str = 'raw', workers: int | None = None) -> Report:
    """Check a dataset and, where nothing is wrong with it, write its frame store.

    Args:
        dataset: 'DVD', 'GOPRO' (also own pairs with GOPRO's folders), 'BSD' or 'REDS'.
        root: Its folder; of BSD that of an exposure, or one with a single exposure in it.
        deep: Decode every frame, with all cores.
        json_path: Write the report there.
        store: Folder of the store to write, or to go on with.
        codec: 'png' or 'raw', see :mod:`cdvd_mm.datasets.frame_store`.
        workers: Threads; ``None`` for one a core.

    Returns:
        The report. With problems in it, no store is written.

    Raises:
        FileNotFoundError, ValueError: There is nothing to check.
        OSError: The report or the store cannot be written.
    """
    report = check_dataset(dataset, root, deep, workers)
    if json_path is not None:
        write_atomically(json_path, json.dumps(report.as_dict(), indent=1, ensure_ascii=False)
                         + '\n')
    if store is not None and not report.problems:
        videos = {name: split.videos for name, split in report.splits.items() if split.videos}
        report.notes.append(write_store(store, videos, codec, workers=workers))
    return report


def check_dataset(dataset: str, root: str, deep: bool = False,
                  workers: int | None = None) -> Report:
    """Check videos, frame counts, pairing, sizes, decodability, split, ``blur`` and ``blur_gamma``.

    Args, returns and errors: see :func:`prepare`.
    """
    if dataset not in DATASETS_BY_NAME:
        raise ValueError(f'dataset must be one of {", ".join(DATASETS_BY_NAME)}, found {dataset!r}')
    if not os.path.isdir(root):
        raise FileNotFoundError(f'{root!r} does not exist or is no folder')
    if is_store(root) or unfinished_store(root):
        raise ValueError(unfinished_store(root) or f'{root} is a frame store; give the folder that '
                         'it was made from')
    if not os.listdir(root):
        raise FileNotFoundError(f'{root} is empty; put the dataset there as described in '
                                'docs/en/dataset_prepare.md')
    cls = DATASETS_BY_NAME[dataset]
    if issubclass(cls, BSDDataset):
        root = cls.find_root(root)
    report = Report(dataset, root, deep)
    folders: dict[str, list[VideoFolder]] = {}
    for split in cls.SPLITS:
        folders[split] = _check_split(report, cls, split)
    if not any(folders.values()) and not report.problems:
        raise FileNotFoundError(
            f'no videos of {dataset} in {root}. Expected '
            f'{" or ".join(EXPECTED[layout] for layout in cls.LAYOUTS)}; found '
            f'{sorted(os.listdir(root))[:10]}')
    if cls.OFFICIAL_TEST_VIDEOS:
        _check_official(report, cls)
    for split in cls.SPLITS:
        report.problems += check_frames(report.splits[split].videos)
        report.problems += _check_gamma(folders[split])
        if not cls.OFFICIAL_TEST_VIDEOS:
            _check_counts(report, cls, split)
        if report.splits[split].official:
            _check_sizes(report, cls, split)
    if deep:
        report.problems += _decode_all(report, workers)
    return report


def _check_split(report: Report, cls: type[VideoDeblurDataset], split: str) -> list[VideoFolder]:
    result = report.splits[split] = SplitReport()
    layout = find_layout(report.root, split)
    if layout is None or layout not in cls.LAYOUTS:
        report.notes.append(f'{split}: no videos found')
        return []
    result.layout = layout
    folders, problems = video_folders(report.root, split, layout, cls.OFFICIAL_TEST_VIDEOS)
    report.problems += problems
    without = [f.blur for f in folders if f.sharp is None]
    if without and (split == 'train' or len(without) < len(folders)):
        report.problems += [Problem(path, 'there is no folder of sharp frames for it',
                                    'restore it') for path in without]
    elif without:
        report.notes.append(f'{split}: no ground truth, it can be restored but not scored')
    for folder in folders:
        video, problems, extra = pair_frames(folder)
        report.problems += problems
        report.notes += [f'{path}: no frame, ignored (delete it)' for path in extra]
        if video.blur:
            result.videos.append(video)
    return folders


def _check_official(report: Report, cls: type[VideoDeblurDataset]) -> None:
    """Compare names and counts with the published dataset, if this is meant to be it."""
    official = set(cls.OFFICIAL_TEST_VIDEOS)
    train, test = ({v.name: v for v in report.splits[s].videos} for s in cls.SPLITS)
    leaked = sorted(official & set(train))
    for name in leaked:
        report.problems.append(Problem(
            train[name].blur[0].rsplit(os.sep, 1)[0], 'official test video among the training '
            'videos', 'move it to test/, a model trained on it has no valid test score'))
    if not (official & set(test)) and not leaked:
        report.notes.append(f'not the published {report.dataset} (none of its test videos): own '
                            'pairs, counts are not compared')
        return
    for name in sorted(official - set(test) - set(leaked)):
        report.problems.append(Problem(os.path.join(report.root, 'test', name),
                                       'official test video, missing', 'download it again'))
    for name in sorted(set(test) - official):
        report.problems.append(Problem(test[name].blur[0].rsplit(os.sep, 1)[0],
                                       'not one of the official test videos', 'remove it'))
    for name in sorted(official & set(test)):
        expected = cls.OFFICIAL_TEST_FRAMES.get(name, 100)
        if len(test[name]) != expected:
            report.problems.append(Problem(
                test[name].blur[0].rsplit(os.sep, 1)[0], f'{len(test[name])} frames, the published '
                f'video has {expected}', 'download it again'))
    for split in cls.SPLITS:
        result = report.splits[split]
        result.official, result.expected = True, cls.OFFICIAL_COUNTS[split]
        found = (len(result.videos), result.num_frames)
        if split == 'train' and found != result.expected and not leaked:
            report.problems.append(Problem(
                report.root, f'train: {found[0]} videos with {found[1]} frames, the published '
                f'dataset has {result.expected[0]} with {result.expected[1]}',
                'download what is missing, or remove what is not part of it'))


def _check_counts(report: Report, cls: type[BSDDataset] | type[REDSDataset], split: str) -> None:
    """Compare counts and sizes with the published dataset, where names do not tell it.

    A split with at least half of the published videos is meant to be it.
    """
    result, (videos, frames) = report.splits[split], cls.OFFICIAL_COUNTS[split]
    if not result.videos:
        return
    if 2 * len(result.videos) < videos:
        report.notes.append(f'{split}: {len(result.videos)} of the {videos} videos of '
                            f'{report.dataset}: a part of it or own pairs, counts are not compared')
        return
    result.official, result.expected = True, (videos, frames)
    if len(result.videos) != videos:
        report.problems.append(Problem(
            report.root, f'{split}: {len(result.videos)} videos, the published dataset has '
            f'{videos}', 'download what is missing, or remove what is not part of it'))
    for video in result.videos:
        folder = os.path.dirname(video.blur[0])
        if frames is not None and len(video) != frames // videos:
            report.problems.append(Problem(folder, f'{len(video)} frames, the published video has '
                                           f'{frames // videos}', 'download it again'))


def _check_sizes(report: Report, cls: type[VideoDeblurDataset], split: str) -> None:
    if cls.OFFICIAL_SIZE is None:
        return
    h, w = cls.OFFICIAL_SIZE
    for video in report.splits[split].videos:
        if video.size not in (None, (h, w)):
            height, width = video.size
            report.problems.append(Problem(
                os.path.dirname(video.blur[0]), f'{width}x{height}, the published video is {w}x{h}',
                'download it again'))


def _check_gamma(folders: list[VideoFolder]) -> list[Problem]:
    """``blur`` must not be a copy of ``blur_gamma``, nor swapped with it.

    The mean of light is brighter than the mean of stored values, so ``blur_gamma`` is never the
    darker of the two.
    """
    problems = []
    for folder in folders:
        gamma = os.path.join(os.path.dirname(folder.blur), 'blur_gamma')
        if not os.path.isdir(gamma):
            continue
        linear, gammas = list_frames(folder.blur).frames, list_frames(gamma).frames
        stems = [s for s in linear if s in gammas]
        differences, same = [], 0
        for stem in stems[::max(1, len(stems) // 3)]:
            try:
                a, b = read_frame(linear[stem]), read_frame(gammas[stem])
            except FrameError:
                continue  # said elsewhere
            same += np.array_equal(a, b)
            differences.append(float(b.mean(dtype=np.float64) - a.mean(dtype=np.float64)))
        if differences and same == len(differences):
            problems.append(Problem(folder.blur, 'the same frames as in blur_gamma',
                                    'restore the linear `blur` folder of the download'))
        elif differences and np.mean(differences) < -0.02:
            problems.append(Problem(folder.blur, 'brighter than blur_gamma: the two folders look '
                                    'swapped', 'swap them back, or download them again'))
    return problems


def _decode_all(report: Report, workers: int | None) -> list[Problem]:
    known = {problem.path for problem in report.problems}
    paths = [path for split in report.splits.values() for video in split.videos
             for path in (*video.blur, *(video.sharp or ())) if path not in known]

    def decode(path: str) -> Problem | None:
        try:
            decode_frame(read_bytes(path), path, deep=True)
        except FrameError as error:
            return error.problem
        return None

    with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        results = track(pool.map(decode, paths, chunksize=8), 'decoding frames', len(paths))
        return [problem for problem in results if problem is not None]


