"""Pairs of blurred and sharp videos: the base of all datasets."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from typing import TypeVar

from mmengine.dataset import BaseDataset
from mmengine.logging import print_log

from cdvd_mm.registry import DATASETS
from cdvd_mm.windows import ENDS, equal_runs, scored_frames, split_runs, window_indices

from .frame_store import is_store, open_store, unfinished_store
from .layouts import (
    EXPECTED,
    VideoFolder,
    check_frames,
    find_layout,
    pair_frames,
    sub_folders,
    video_folders,
)
from .official import official_test_videos
from .records import Problem, Video

T = TypeVar('T', Video, VideoFolder)


@DATASETS.register_module()
class VideoDeblurDataset(BaseDataset):
    """Windows, or whole videos, of blurred frames with their sharp frames.

    The layout is found by looking (:mod:`cdvd_mm.datasets.layouts`): GOPRO's and DVD's as
    published, CDVD-TSP's repacked form, or a frame store written by
    ``tools/dataset_converters/prepare.py --store``. Every frame is looked at when the dataset is
    built (not decoded), and everything that is wrong is said in one message.

    A sample of ``mode='window'`` is one window of ``num_frames`` frames; in training its ground
    truth is the whole window, in testing its centre frame; where windows reach over an end of the
    video, ``ends`` says what they get. A sample of ``mode='video'`` is a whole video, or a run of
    it, with the ground truth of all its frames.

    What the pipeline is given, of which :class:`LoadVideoFrames` makes ``img`` and ``gt``:

    * ``img_path`` (list of str), ``gt_path`` (list of str in training and in ``mode='video'``, one
      str in windowed testing, absent without ground truth), ``frame_size`` (h, w);
    * ``key`` ``'<video>/<frame>'``, ``video``, ``frame_index`` (0-based, of the centre frame or
      the first one), ``video_length``; the video's name carries its root's in front when several
      roots have a video of that name;
    * in ``mode='video'`` ``frame_indices`` (of all frames read) and ``scored_frames`` (those of
      them that this sample is responsible for), and ``frame_keys``.

    Args:
        data_root: Folder of the dataset, or several to be used together.
        split: One of ``SPLITS``: 'train' or 'test'.
        num_frames: Frames of a window, odd, at least 3.
        pipeline: Transforms.
        mode: 'window' or 'video'.
        frames_per_video: Use only the first so many frames of every video; ``None`` for all.
        repeat: Visit every sample this many times an epoch.
        skip_ends: Frames at either end of a video that are not centres of windows (not scored in
            ``mode='video'``). ``None``: as many as the window does not fit around.
        sample_frames: Only so many centres a video, spread evenly over it.
        ends: How windows go on beyond the ends of a video: 'reflected', or 'repeated' as by
            ``--border`` of CDVD-TSP's program; see :func:`~cdvd_mm.windows.window_indices`.
        run_length: In ``mode='video'``, cut videos into runs of so many frames; ``None`` for
            whole videos. In training all runs are that long: the last one starts earlier instead
            of being shorter.
        overlap: Frames that a run reads in addition on either side.
        videos: Names of the videos to use; ``None`` for all of the split.
        blur_gamma: Read ``blur_gamma`` instead of ``blur`` (GOPRO as published). Scores on it
            cannot be compared with those on ``blur``.
        skip_keys: Frames (``'<video>/<frame>'``) that need not be restored any more.
        test_mode: Testing rather than training.
        **kwargs: For :class:`mmengine.dataset.BaseDataset` (``metainfo``, ``indices``,
            ``lazy_init``, ``serialize_data``, ``max_refetch``).

    Raises:
        FileNotFoundError: A root does not exist, is empty, or has none of the layouts.
        ValueError: Anything wrong with the frames (all of it in one message), too few frames in a
            video, or an argument out of range.
    """

    METAINFO = dict(dataset_type='video_deblur_dataset', task_name='video_deblurring')

    #: Names of the official test videos; where the layout has no split folders they make the split.
    #: Without any, they are told by the layout and the names found.
    OFFICIAL_TEST_VIDEOS: tuple[str, ...] = ()
    #: Height and width of every published frame, where they are all of one size.
    OFFICIAL_SIZE: tuple[int, int] | None = None
    #: Layouts of :func:`find_layout` that this dataset comes in.
    LAYOUTS: tuple[str, ...] = ('gopro', 'dvd', 'repacked')
    #: Names of its splits.
    SPLITS: tuple[str, ...] = ('train', 'test')

    def __init__(self,
                 data_root: str | Sequence[str],
                 split: str = 'train',
                 num_frames: int = 5,
                 pipeline: Sequence = (),
                 mode: str = 'window',
                 frames_per_video: int | None = None,
                 repeat: int = 1,
                 skip_ends: int | None = None,
                 sample_frames: int | None = None,
                 ends: str = 'reflected',
                 run_length: int | None = None,
                 overlap: int = 0,
                 videos: Sequence[str] | None = None,
                 blur_gamma: bool = False,
                 skip_keys: Sequence[str] = (),
                 test_mode: bool = False,
                 **kwargs) -> None:
        if split not in self.SPLITS:
            raise ValueError(f'split must be one of {", ".join(self.SPLITS)}, found {split!r}')
        if mode not in ('window', 'video'):
            raise ValueError(f"mode must be 'window' or 'video', found {mode!r}")
        if not isinstance(num_frames, int) or num_frames < 3 or num_frames % 2 == 0:
            raise ValueError(f'num_frames must be an odd number of at least 3 (a centre frame with '
                             f'its neighbours), found {num_frames!r}')
        if ends not in ENDS:
            raise ValueError(f'ends must be one of {", ".join(ENDS)}, found {ends!r}')
        if mode == 'video' and ends != 'reflected':
            raise ValueError(f"ends={ends!r} is for mode='window'; whole videos are reflected")
        if repeat < 1:
            raise ValueError(f'repeat must be at least 1, found {repeat}')
        if frames_per_video is not None and frames_per_video < num_frames:
            raise ValueError(f'frames_per_video={frames_per_video} leaves no window of '
                             f'{num_frames} frames; use at least {num_frames}')
        split_runs(0, run_length, overlap)  # checks both
        self.roots = [data_root] if isinstance(data_root, (str, os.PathLike)) else list(data_root)
        self.roots = [os.fspath(root) for root in self.roots]
        if not self.roots:
            raise ValueError('data_root is an empty list, expected at least one folder')
        self.split, self.num_frames, self.mode = split, num_frames, mode
        self.frames_per_video, self.repeat = frames_per_video, repeat
        self.skip_ends, self.sample_frames, self.ends = skip_ends, sample_frames, ends
        self.run_length, self.overlap = run_length, overlap
        self.blur_gamma = blur_gamma
        self.only_videos, self.skip_keys = videos, frozenset(skip_keys)
        super().__init__(data_root='', data_prefix={}, pipeline=list(pipeline),
                         test_mode=test_mode, **kwargs)

    # ---------------------------------------------------------------- samples

    def __len__(self) -> int:
        """Number of samples of an epoch, repetitions included."""
        return super().__len__() * self.repeat

    def get_data_info(self, idx: int) -> dict:
        """What is known about a sample before anything is read. ``idx`` counts repetitions."""
        length = len(self)
        if not -length <= idx < length:
            raise IndexError(f'sample {idx} of a dataset of {length}')
        return super().get_data_info(idx % (length // self.repeat))

    def load_data_list(self) -> list[dict]:
        """Look at all frames and list the samples."""
        found = self.find_videos()
        needs, least = 'num_frames', self.num_frames
        if self.test_mode:  # windows are reflected at the ends
            needs, least = 'skip_ends', 2 * self._skipped_ends() + 1
        elif self.mode == 'video' and self.run_length:
            needs, least = 'run_length', self.run_length
        limit = f'{least}' if self.test_mode else f'{needs}={least}'
        short = [f'{name}: {len(video)} frames' for name, video in found
                 if self._usable_length(video) < least]
        if short:
            raise ValueError(f'{len(short)} video(s) have fewer than {limit} frames: '
                             f'{"; ".join(short)}. Remove them, or lower {needs}')
        self._check_crop(found)
        make = self._windows if self.mode == 'window' else self._runs
        samples = [sample for name, video in found for sample in make(name, video)]
        if not samples:  # all of them were scored before; BaseDataset cannot serialise nothing
            self.serialize_data = False
        return samples

    def _usable_length(self, video: Video) -> int:
        return min(len(video), self.frames_per_video or len(video))

    def _skipped_ends(self) -> int:
        if self.skip_ends is not None:
            return self.skip_ends
        return self.num_frames // 2 if self.mode == 'window' else 0

    def _windows(self, name: str, video: Video) -> list[dict]:
        length, samples = self._usable_length(video), []
        for centre in scored_frames(length, self._skipped_ends(), self.sample_frames):
            key = f'{name}/{video.stems[centre]}'
            if key in self.skip_keys:
                continue
            indices = window_indices(centre, self.num_frames, length, self.ends)
            sample = dict(key=key, video=name, frame_index=centre, video_length=len(video),
                          img_path=[video.blur[i] for i in indices], frame_size=video.size)
            if video.sharp is not None:
                sample['gt_path'] = video.sharp[centre] if self.test_mode else \
                    [video.sharp[i] for i in indices]
            samples.append(sample)
        return samples

    def _runs(self, name: str, video: Video) -> list[dict]:
        length, samples = self._usable_length(video), []
        wanted = [i for i in scored_frames(length, self._skipped_ends(), self.sample_frames)
                  if f'{name}/{video.stems[i]}' not in self.skip_keys]
        runs = split_runs(length, self.run_length, self.overlap) if self.test_mode else \
            equal_runs(length, self.run_length or length)
        for start, stop, read_start, read_stop in runs:
            scored = [i for i in wanted if start <= i < stop]
            if not scored:
                continue
            read = range(read_start, read_stop)
            sample = dict(key=f'{name}/{video.stems[start]}-{video.stems[stop - 1]}', video=name,
                          frame_index=read_start, video_length=len(video),
                          frame_indices=list(read), scored_frames=scored,
                          frame_keys=[f'{name}/{video.stems[i]}' for i in read],
                          img_path=[video.blur[i] for i in read], frame_size=video.size)
            if video.sharp is not None:
                sample['gt_path'] = [video.sharp[i] for i in read]
            samples.append(sample)
        return samples

    def _check_crop(self, found: list[tuple[str, Video]]) -> None:
        for transform in self.pipeline.transforms:
            size = getattr(transform, 'crop_size', None)
            if size is None or isinstance(size, str):
                continue
            height, width = (size, size) if isinstance(size, int) else size
            small = [f'{name} ({video.shape[1]}x{video.shape[0]})' for name, video in found
                     if video.shape[0] < height or video.shape[1] < width]
            if small:
                raise ValueError(f'{len(small)} video(s) are smaller than the patch of '
                                 f'{width}x{height}: {", ".join(small)}. Lower crop_size or leave '
                                 'them out')

    # ----------------------------------------------------------------- videos

    def find_videos(self) -> list[tuple[str, Video]]:
        """All videos of the split with the names used in keys, checked.

        Raises:
            FileNotFoundError, ValueError: As the class.
        """
        found: list[tuple[str, Video]] = []
        problems: list[Problem] = []
        extra: list[str] = []
        for root in self.roots:
            if not os.path.isdir(root):
                raise FileNotFoundError(f'data_root {root!r} does not exist or is no folder '
                                        f'(seen from {os.getcwd()})')
            videos, wrong, more = self._root_videos(root)
            problems += wrong
            extra += more
            found += [(root, video) for video in videos]
        if extra:
            print_log(f'{len(extra)} file(s) among the frames are no PNG or JPEG frames and are '
                      f'ignored (delete them to get rid of this message): {", ".join(extra)}',
                      logger='current', level=logging.WARNING)
        without = [video.name for _, video in found if video.sharp is None]
        if without and (not self.test_mode or len(without) < len(found)):
            problems += [Problem(os.path.dirname(video.blur[0]) if video.blur else root,
                                 'the video has no folder of sharp frames',
                                 'restore it, or test without any ground truth')
                         for root, video in found if video.sharp is None]
        self._raise_problems(problems)
        if not found:
            raise FileNotFoundError(f'no videos for split {self.split!r} in {self.roots}')
        if self.blur_gamma:
            print_log('blur_gamma is read instead of blur: scores cannot be compared with '
                      'published ones', logger='current', level=logging.WARNING)
        if without:
            print_log(f'no ground truth in {self.roots}: restored frames can be saved, but no '
                      'metric is computed', logger='current', level=logging.WARNING)
        return self._unique_names(found)

    def splits_on_disk(self) -> tuple[str, ...]:
        """The splits, as they lie on the disk, that this one is made of."""
        return (self.split, )

    def choose(self, split: str, videos: Sequence[T]) -> list[T]:
        """Those of a split on the disk that belong to this one, under the names they get here.

        Args:
            split: One of :meth:`splits_on_disk`.
            videos: Its videos, or their folders.
        """
        return list(videos)

    def _root_videos(self, root: str) -> tuple[list[Video], list[Problem], list[str]]:
        if self.blur_gamma and (is_store(root) or find_layout(root, self.split) != 'gopro'):
            raise ValueError(f'blur_gamma=True needs {self.split}/<video>/blur_gamma/, which '
                             f'{root} does not have')
        if is_store(root):
            stored = [video for split in self.splits_on_disk()
                      for video in self.choose(split, open_store(root).videos(split))]
            return self._select(stored, root, 'store'), [], []
        unfinished = unfinished_store(root)
        if unfinished:
            raise FileNotFoundError(unfinished)
        found: list[VideoFolder] = []
        problems: list[Problem] = []
        for split in self.splits_on_disk():
            layout = find_layout(root, split)
            if layout is None or layout not in self.LAYOUTS:
                raise FileNotFoundError(self._no_layout(root, split, layout))
            official = self.OFFICIAL_TEST_VIDEOS or official_test_videos(layout)
            folders, wrong = video_folders(root, split, layout, official, self.blur_gamma)
            found += self.choose(split, folders)
            problems += wrong
        videos, extra = [], []
        for folder in self._select(found, root, layout or ''):
            video, wrong, more = pair_frames(folder)
            problems += wrong
            extra += more
            if video.blur:
                videos.append(video)
        problems += check_frames(videos)
        return videos, problems, extra

    def _select(self, videos: list, root: str, layout: str) -> list:
        """Keep the wanted videos; say where the split is not the official one."""
        names = {video.name for video in videos}
        official = set(self.OFFICIAL_TEST_VIDEOS or official_test_videos(layout, names))
        if self.split == 'train' and names & official:
            raise ValueError(f'official test videos among the training videos of {root}: '
                             f'{", ".join(sorted(names & official))}. Move them to test/, a model '
                             'trained on them has no valid test score')
        if self.split == 'test' and names & official and names != official:
            print_log(f'{root}: the test split is not the official one (missing: '
                      f'{sorted(official - names)}, added: {sorted(names - official)}); do not '
                      'compare its scores with published ones',
                      logger='current', level=logging.WARNING)
        if self.only_videos is None:
            return videos
        unknown = sorted(set(self.only_videos) - names)
        if unknown:
            raise ValueError(f'videos {unknown} are not in split {self.split!r} of {root}, which '
                             f'has {sorted(names)}')
        return [video for video in videos if video.name in set(self.only_videos)]

    def _no_layout(self, root: str, split: str, layout: str | None) -> str:
        if not os.listdir(root):
            return (f'data_root {root!r} is empty; put the dataset there as described in '
                    'docs/en/dataset_prepare.md')
        found = [name + '/' for name in sub_folders(root)][:10]
        if layout is not None:
            return (f'{root} has the layout of {layout.upper()}, {type(self).__name__} expects '
                    f'{" or ".join(self.LAYOUTS)}; use the dataset class that fits')
        split_folder = os.path.join(root, split)
        if os.path.isdir(split_folder) and not sub_folders(split_folder):
            return f'{split_folder} is empty; put the videos of the split there'
        return (f'no videos for split {split!r} found in {root}. Expected '
                f'{" or ".join(EXPECTED[name] for name in self.LAYOUTS)}; found '
                f'{found or "no folders"}. See docs/en/dataset_prepare.md')

    @staticmethod
    def _raise_problems(problems: list[Problem]) -> None:
        if problems:
            listed = '\n  '.join(str(problem) for problem in problems)
            raise ValueError(f'{len(problems)} problem(s) with the data:\n  {listed}')

    def _unique_names(self, found: list[tuple[str, Video]]) -> list[tuple[str, Video]]:
        names = [video.name for _, video in found]
        if len(set(names)) == len(names):
            return [(video.name, video) for _, video in found]
        named = []
        for root, video in found:
            prefix = os.path.basename(os.path.abspath(root)) or 'root'
            if [os.path.basename(os.path.abspath(r)) for r in self.roots].count(prefix) > 1:
                prefix = f'{prefix}-{self.roots.index(root)}'
            named.append((f'{prefix}:{video.name}', video))
        return named
