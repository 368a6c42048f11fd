"""Find the videos of a dataset folder, whichever way it was packed.

Five ways are in use, and told apart by looking:

* ``gopro``, as GOPRO is published: ``{train,test}/<video>/{blur,sharp}/000001.png`` (and
  ``blur_gamma``, which is used on demand alone);
* ``dvd``, as DVD is published: ``quantitative_datasets/<video>/{input,GT}/00000.jpg``, without
  split folders;
* ``bsd``, as BSD is published: ``{train,valid,test}/<video>/{Blur,Sharp}/RGB/00000000.png`` in the
  folder of an exposure (the frames may lie in ``Blur`` and ``Sharp`` themselves);
* ``reds``, as REDS is published: ``{train,val}_{blur,sharp}/<video>/00000000.png``, in the root or,
  as the archives unpack, in its folders ``train`` and ``val``; ``val`` is the split 'test';
* ``repacked``, as CDVD-TSP uses GOPRO and DVD: ``{train,test}/{blur,gt}/<video>/<frame>``.

Other programs call the blurred frames ``input`` or ``lq`` and the sharp ones ``gt`` or ``target``;
in ``gopro`` and ``repacked`` each of these names is understood.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from cdvd_mm.names import frame_numbers, natural_key
from cdvd_mm.progress import track

from .frame_files import IMAGE_SUFFIXES, probe_frame
from .records import FrameError, Problem, Video

DVD_FOLDER = 'quantitative_datasets'
BLUR_NAMES = ('blur', 'input', 'lq')
SHARP_NAMES = ('sharp', 'gt', 'GT', 'target')
GAMMA = 'blur_gamma'
_READERS = 8  # threads that read the frames' headers; they wait for the disk
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


def dangling_links(folder: str) -> list[Problem]:
    """Links in a folder whose target is not there."""
    with os.scandir(folder) as entries:
        return [Problem(entry.path, f'a link to {os.readlink(entry.path)}, which does not exist',
                        'mend or remove the link')
                for entry in sorted(entries, key=lambda entry: entry.name)
                if entry.is_symlink() and not os.path.exists(entry.path)]


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
        kinds = [name for name in names if name in BLUR_NAMES]
        if any(sub_folders(os.path.join(folder, name)) for name in kinds):
            return 'repacked'
        if any({'Blur', 'Sharp'} & set(sub_folders(os.path.join(folder, name))) for name in names):
            return 'bsd'
        if any(os.path.isdir(os.path.join(folder, name, kind)) for name in names
               for kind in (*BLUR_NAMES, GAMMA, *SHARP_NAMES)):
            return 'gopro'
        if kinds and any(name in SHARP_NAMES for name in names):
            return 'repacked'  # without a single video: said by video_folders
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


def video_folders(root: str, split: str, layout: str, official_test: tuple[str, ...] = (),
                  gamma: bool = False) -> tuple[list[VideoFolder], list[Problem]]:
    """The videos of one split.

    Args:
        root: The dataset's folder.
        split: 'train', 'test', or 'valid' of BSD.
        layout: As :func:`find_layout` gives it.
        official_test: Names of the official test videos; they make the split where the layout has
            no split folders.
        gamma: Take ``blur_gamma`` for the blurred frames.

    Returns:
        The videos, sorted by name, and what is wrong: blurred frames that are missing, folders that
        cannot be told apart, links that lead nowhere.
    """
    base = dvd_base(root) if layout == 'dvd' else os.path.join(root, split)
    blur_names: tuple[str, ...] = (GAMMA, ) if gamma else BLUR_NAMES
    sharp_names: tuple[str, ...] = SHARP_NAMES
    if layout == 'reds':
        part, base = REDS_SPLITS[split], reds_base(root, split) or root
        blur_names, sharp_names = (f'{part}_blur', ), (f'{part}_sharp', )
    if layout == 'bsd':
        blur_names, sharp_names = ('Blur', ), ('Sharp', )
    if layout in ('repacked', 'reds'):
        return _by_kind(base, blur_names, sharp_names)
    videos, problems = [], dangling_links(base)
    names = sub_folders(base)
    if layout == 'dvd':
        names = [name for name in names if (name in official_test) == (split == 'test')]
    for name in names:
        folder = os.path.join(base, name)
        blur, wrong = _one_of(folder, blur_names)
        sharp, more = _one_of(folder, sharp_names)
        problems += dangling_links(folder) + wrong + more
        if blur is None and os.path.isdir(os.path.join(folder, GAMMA)):
            problems.append(Problem(os.path.join(folder, blur_names[0]), f'missing, there is only '
                                    f'`{GAMMA}`, which belongs to another protocol',
                                    'restore the linear `blur` folder, or use blur_gamma=True'))
        elif blur is None and not wrong:
            problems.append(Problem(os.path.join(folder, blur_names[0]), 'missing', 'restore the '
                                    'blurred frames of this video or remove its folder'))
        elif blur is not None:
            if layout == 'bsd':
                blur, sharp = _rgb_folder(blur), sharp and _rgb_folder(sharp)
            videos.append(VideoFolder(name, blur, sharp))
            if sharp is None and not more:
                problems += _unknown(folder, blur_names, sharp_names)
    return videos, problems


def _rgb_folder(folder: str) -> str:
    """Where BSD's frames lie: in ``RGB`` (raw data may lie beside it), or in the folder itself."""
    inner = os.path.join(folder, 'RGB')
    return inner if os.path.isdir(inner) else folder


def _by_kind(base: str, blur_names: tuple[str, ...],
             sharp_names: tuple[str, ...]) -> tuple[list[VideoFolder], list[Problem]]:
    """Videos of ``<blur>/<video>`` and ``<sharp>/<video>``."""
    blur_root, problems = _one_of(base, blur_names)
    sharp_root, more = _one_of(base, sharp_names)
    problems += dangling_links(base) + more
    if blur_root is None:
        problems.append(Problem(os.path.join(base, blur_names[0]), 'missing',
                                'restore the blurred frames'))
        return [], problems
    problems += dangling_links(blur_root)
    if sharp_root is None:
        if not more and sharp_names is SHARP_NAMES:  # REDS has other splits beside it
            problems += _unknown(base, blur_names, sharp_names)
        return [VideoFolder(name, os.path.join(blur_root, name), None)
                for name in sub_folders(blur_root)], problems
    problems += dangling_links(sharp_root)
    blurred, sharp = sub_folders(blur_root), sub_folders(sharp_root)
    problems += [Problem(os.path.join(sharp_root, name),
                         f'video without blurred frames ({blur_root}/{name} is missing)',
                         'restore them or remove the video')
                 for name in sharp if name not in blurred]
    return [VideoFolder(name, os.path.join(blur_root, name),
                        os.path.join(sharp_root, name) if name in sharp else None)
            for name in blurred], problems


def _one_of(folder: str, names: tuple[str, ...]) -> tuple[str | None, list[Problem]]:
    """The folder of one of these names in ``folder``; several are a problem."""
    found = [os.path.join(folder, name) for name in sub_folders(folder) if name in names]
    if len(found) > 1:
        return None, [Problem(folder, f'has {" and ".join(map(os.path.basename, found))}, which '
                              'cannot be told apart', 'keep one of them')]
    return (found[0] if found else None), []


def _unknown(folder: str, blur_names: tuple[str, ...],
             sharp_names: tuple[str, ...]) -> list[Problem]:
    """Folders beside the blurred frames that may be meant as the sharp ones."""
    known = (*blur_names, *BLUR_NAMES, GAMMA)
    others = [name for name in sub_folders(folder) if name not in known]
    return [Problem(folder, f'no sharp frames found ({", ".join(sharp_names)}), but '
                    f'{", ".join(others)}', f'rename the folder of sharp frames to '
                    f'{sharp_names[0]}, or move the others elsewhere')] if others else []


def list_frames(folder: str) -> Listing:
    """List the frames of a folder in order: by the numbers in their names.

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
    listing.frames = {stem: found[stem] for stem in sorted(found, key=natural_key)}
    listing.problems.extend(_gaps(folder, list(listing.frames)))
    return listing


def _gaps(folder: str, stems: list[str]) -> list[Problem]:
    """Missing numbers, where the names are numbered: a window must not straddle them."""
    numbers = frame_numbers(stems)
    if numbers is None or len(numbers) < 3:
        return []
    steps = [b - a for a, b in zip(numbers, numbers[1:])]
    step = Counter(steps).most_common(1)[0][0]
    problems = []
    for i, found in enumerate(steps):
        if found == step:
            continue
        count = max(-(-found // step) - 1, 0) if step > 0 else 0
        digits = max(re.findall('[0-9]+', stems[i]), key=len)
        width = len(digits) if digits.startswith('0') else 0
        shown = [str(numbers[i] + n * step).zfill(width) for n in range(1, min(count, 20) + 1)]
        more = f' and {count - 20} more' if count > 20 else ''
        problems.append(Problem(
            folder, f'frame numbers jump from {stems[i]} to {stems[i + 1]} (missing: '
            f'{", ".join(shown) or "none"}{more})',
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


def check_frames(videos: list[Video]) -> list[Problem]:
    """Look at every frame's header: readable, 8 bit RGB, complete, of the size of its video.

    Sets each video's ``size``, the one most of its blurred frames have.

    Args:
        videos: Videos of files; not of a store.

    Returns:
        All that is wrong, in order.
    """
    paths = [path for video in videos for path in (*video.blur, *(video.sharp or ()))]

    def look(path: str):
        try:
            header = probe_frame(path)
            return header.height, header.width
        except FrameError as error:
            return error.problem

    with ThreadPoolExecutor(_READERS) as pool:
        results = pool.map(look, paths, chunksize=64)
        if len(paths) > 5000:
            results = track(results, 'checking frames', len(paths))
        seen = dict(zip(paths, results))
    problems = [seen[path] for path in paths if isinstance(seen[path], Problem)]
    for video in videos:
        frames = (*video.blur, *(video.sharp or ()))
        sizes = [seen[path] for path in frames if not isinstance(seen[path], Problem)]
        if not sizes:
            continue
        video.size = max(dict.fromkeys(sizes), key=sizes.count)
        problems += [
            Problem(path, f'{seen[path][1]}x{seen[path][0]}, the video is '
                    f'{video.size[1]}x{video.size[0]}', 'all frames of a video must have one size')
            for path in frames
            if not isinstance(seen[path], Problem) and seen[path] != video.size]
    return problems
