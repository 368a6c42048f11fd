"""Find the videos of a dataset folder, whichever way it was packed.

Five ways are in use, and told apart by looking:

* ``published`` GOPRO: ``{train,test}/<video>/{blur,sharp}/000001.png`` (and ``blur_gamma``, which
  is never used);
* ``published`` DVD: ``quantitative_datasets/<video>/{input,GT}/00000.jpg``, without split folders;
* ``published`` BSD: ``{train,valid,test}/<video>/{Blur,Sharp}/RGB/00000000.png`` in the folder of
  an exposure (the frames may lie in ``Blur`` and ``Sharp`` themselves);
* ``published`` REDS: ``{train,val}_{blur,sharp}/<video>/00000000.png``, in the root or, as the
  archives unpack, in its folders ``train`` and ``val``; ``val`` is the split 'test';
* ``repacked``, as CDVD-TSP uses GOPRO and DVD: ``{train,test}/{blur,gt}/<video>/<frame>``.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass, field

from .frame_files import IMAGE_SUFFIXES
from .records import Problem, Video

DVD_FOLDER = 'quantitative_datasets'
REDS_SPLITS = {'train': 'train', 'test': 'val'}
EXPECTED = {
    'gopro': '{train,test}/<video>/{blur,sharp}/',
    'dvd': f'{DVD_FOLDER}/<video>/{{input,GT}}/',
    'bsd': '{train,valid,test}/<video>/{Blur,Sharp}/RGB/',
    'reds': '{train,val}_{blur,sharp}/<video>/',
    'repacked': '{train,test}/{blur,gt}/<video>/',
}
"""Folders of each layout, for messages."""


@dataclass
class VideoFolder:
    """Where the frames of a video lie. ``sharp`` is ``None`` where there is no such folder."""

    name: str
    blur: str
    sharp: str | None


@dataclass
class Listing:
    """What listing a folder of frames gave.

    Attributes:
        frames: Name without suffix to path, in order.
        extra: Files that are no frames.
        problems: What is wrong.
        is_readable: Whether the folder could be listed at all.
    """

    frames: dict[str, str] = field(default_factory=dict)
    extra: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    is_readable: bool = True


def sub_folders(path: str) -> list[str]:
    """Sorted names of the folders in ``path``, hidden ones left out."""
    with os.scandir(path) as entries:
        return sorted(e.name for e in entries if e.is_dir() and not e.name.startswith('.'))


def find_layout(root: str, split: str) -> str | None:
    """Which of the layouts a folder has.

    Args:
        root: The dataset's folder.
        split: 'train', 'test', or 'valid' of BSD.

    Returns:
        'repacked', 'gopro', 'dvd', 'bsd', 'reds', or ``None`` when it is none of them.
    """
    if reds_base(root, split) is not None:
        return 'reds'
    folder = os.path.join(root, split)
    if os.path.isdir(folder):
        names = sub_folders(folder)
        if 'blur' in names and _holds_folders(os.path.join(folder, 'blur')):
            return 'repacked'
        if any({'Blur', 'Sharp'} & set(sub_folders(os.path.join(folder, n))) for n in names):
            return 'bsd'
        if any(os.path.isdir(os.path.join(folder, n, kind)) for n in names
               for kind in ('blur', 'blur_gamma', 'sharp')):
            return 'gopro'
        if 'blur' in names and 'gt' in names:
            return 'repacked'  # without a single video: said by list_videos
    base = dvd_base(root)
    if any(os.path.isdir(os.path.join(base, n, 'input')) for n in sub_folders(base)):
        return 'dvd'
    return None


def dvd_base(root: str) -> str:
    """Folder with DVD's videos as published: ``quantitative_datasets``, or ``root`` itself."""
    base = os.path.join(root, DVD_FOLDER)
    return base if os.path.isdir(base) else root


def reds_base(root: str, split: str) -> str | None:
    """Folder that holds ``<part>_blur`` and ``<part>_sharp`` of REDS; ``None``: there is none."""
    part = REDS_SPLITS.get(split, split)
    return next((base for base in (root, os.path.join(root, part))
                 if any(os.path.isdir(os.path.join(base, f'{part}_{kind}'))
                        for kind in ('blur', 'sharp'))), None)


def _holds_folders(path: str) -> bool:
    return bool(sub_folders(path))


def video_folders(root: str, split: str, layout: str,
                  official_test: tuple[str, ...] = ()) -> tuple[list[VideoFolder], list[Problem]]:
    """The videos of one split.

    Args:
        root: The dataset's folder.
        split: 'train', 'test', or 'valid' of BSD.
        layout: As :func:`find_layout` gives it.
        official_test: Names of the official test videos; they make the split where the layout has
            no split folders.

    Returns:
        The videos, sorted by name, and those that lack their blurred frames.
    """
    if layout == 'repacked':
        return _kinds_first(*(os.path.join(root, split, kind) for kind in ('blur', 'gt')))
    if layout == 'reds':
        part, base = REDS_SPLITS[split], reds_base(root, split)
        return _kinds_first(*(os.path.join(base, f'{part}_{kind}') for kind in ('blur', 'sharp')))
    videos, problems = [], []
    if layout in ('gopro', 'bsd'):
        base = os.path.join(root, split)
        names = ('blur', 'sharp') if layout == 'gopro' else ('Blur', 'Sharp')
        folders = sub_folders(base)
    else:
        base, names = dvd_base(root), ('input', 'GT')
        test = set(official_test)
        folders = [f for f in sub_folders(base) if (f in test) == (split == 'test')]
    for name in folders:
        blur, sharp = (os.path.join(base, name, kind) for kind in names)
        if layout == 'bsd':
            blur, sharp = map(_rgb_folder, (blur, sharp))
        if os.path.isdir(blur):
            videos.append(VideoFolder(name, blur, sharp if os.path.isdir(sharp) else None))
        elif os.path.isdir(os.path.join(base, name, 'blur_gamma')):
            problems.append(Problem(blur, 'missing, there is only `blur_gamma`, which belongs to '
                                    'another protocol', 'restore the linear `blur` folder'))
        else:
            problems.append(Problem(blur, 'missing', 'restore the blurred frames of this video or '
                                    'remove its folder'))
    return videos, problems


def _rgb_folder(folder: str) -> str:
    """Where BSD's frames lie: in ``RGB`` (raw data may lie beside it), or in the folder itself."""
    inner = os.path.join(folder, 'RGB')
    return inner if os.path.isdir(inner) else folder


def _kinds_first(blur_root: str,
                 sharp_root: str) -> tuple[list[VideoFolder], list[Problem]]:
    """The videos where blurred and sharp ones lie in a folder each."""
    blur_names, sharp_names = (set(sub_folders(path)) if os.path.isdir(path) else set()
                               for path in (blur_root, sharp_root))
    videos = [VideoFolder(name, os.path.join(blur_root, name),
                          os.path.join(sharp_root, name) if name in sharp_names else None)
              for name in sorted(blur_names)]
    problems = [Problem(os.path.join(sharp_root, name),
                        f'video without blurred frames ({blur_root}/{name} is missing)',
                        'restore them or remove the video')
                for name in sorted(sharp_names - blur_names)]
    return videos, problems


def list_frames(folder: str) -> Listing:
    """List the frames of a folder in order: by number where the names are numbers, else by name.

    Files that are no frames (``Thumbs.db``, ``.DS_Store`` ...) are listed apart and never read.
    """
    listing = Listing()
    try:
        with os.scandir(folder) as entries:
            names = sorted(e.name for e in entries)
    except OSError as error:
        listing.is_readable = False
        listing.problems.append(Problem(
            folder, f'the folder cannot be listed ({error.strerror or error})',
            'make it readable (`chmod a+rx`) or restore it'))
        return listing
    found: dict[str, str] = {}
    for name in names:
        path = os.path.join(folder, name)
        stem, suffix = os.path.splitext(name)
        if name.startswith('.') or suffix.lower() not in IMAGE_SUFFIXES:
            listing.extra.append(path)
        elif stem in found:
            listing.problems.append(Problem(path, f'same frame as {found[stem]}', 'keep one'))
        else:
            found[stem] = path
    order = sorted(found, key=lambda s: (int(s), s)) if all(map(_is_number, found)) \
        else sorted(found)
    listing.frames = {stem: found[stem] for stem in order}
    listing.problems.extend(_gaps(folder, listing.frames))
    return listing


def _is_number(stem: str) -> bool:
    return bool(re.fullmatch(r'[0-9]+', stem))


def _gaps(folder: str, frames: dict[str, str]) -> list[Problem]:
    """Missing numbers, where the names are numbers: a window must not straddle them."""
    stems = list(frames)
    if len(stems) < 3 or not all(map(_is_number, stems)):
        return []
    numbers = [int(s) for s in stems]
    steps = [b - a for a, b in zip(numbers, numbers[1:])]
    step = Counter(steps).most_common(1)[0][0]
    problems = []
    for i, found in enumerate(steps):
        if found == step:
            continue
        missing = list(range(numbers[i] + step, numbers[i + 1], step)) if step > 0 else []
        names = ', '.join(str(n).zfill(len(stems[i])) for n in missing) or 'none'
        problems.append(Problem(
            folder, f'frame numbers jump from {stems[i]} to {stems[i + 1]} (missing: {names})',
            'restore the missing frames, or split the video there into two folders'))
    return problems


def pair_frames(video: VideoFolder) -> tuple[Video, list[Problem], list[str]]:
    """List a video's frames and pair blurred with sharp ones by name.

    Returns:
        The video, what is wrong with it, and files that are no frames.
    """
    blur = list_frames(video.blur)
    problems, extra = list(blur.problems), list(blur.extra)
    if not blur.frames and not blur.problems:
        problems.append(Problem(video.blur, 'empty video, no PNG or JPEG frame in it',
                                'restore its frames or remove the folder'))
    sharp_paths = None
    if video.sharp is not None:
        sharp = list_frames(video.sharp)
        extra += sharp.extra
        problems += sharp.problems
        if sharp.is_readable:
            for stem, path in blur.frames.items():
                if stem not in sharp.frames:
                    problems.append(Problem(path, 'unpaired, there is no sharp frame '
                                            f'{video.sharp}/{stem}.*',
                                            'restore the sharp frame or remove this one'))
            for stem, path in sharp.frames.items():
                if stem not in blur.frames:
                    problems.append(Problem(path, 'unpaired, there is no blurred frame '
                                            f'{video.blur}/{stem}.*',
                                            'restore the blurred frame or remove this one'))
        stems = [s for s in blur.frames if s in sharp.frames]
        sharp_paths = [sharp.frames[s] for s in stems]
    else:
        stems = list(blur.frames)
    result = Video(video.name, [blur.frames[s] for s in stems], sharp_paths, stems)
    return result, problems, extra
