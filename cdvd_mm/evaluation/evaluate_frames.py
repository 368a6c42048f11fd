"""Score frames that any program wrote, with the code that scores our own."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

from cdvd_mm.datasets.frame_store import is_store, open_store
from cdvd_mm.datasets.frames import read_frame
from cdvd_mm.datasets.layouts import (
    find_layout,
    list_frames,
    pair_frames,
    sub_folders,
    video_folders,
)
from cdvd_mm.datasets.official import DVD_TEST
from cdvd_mm.datasets.records import FrameError
from cdvd_mm.progress import track
from cdvd_mm.system import device_name

from .protocols import Protocol, get_protocol
from .results import Results, summarise, versions
from .scores import score_frame


def evaluate_frames(pred: str, gt: str, protocol: str | Protocol = 'cdvd-tsp',
                    metrics: tuple[str, ...] = ('PSNR', 'SSIM'), out_dir: str | None = None,
                    workers: int | None = None) -> dict:
    """Score a folder of restored frames against sharp ones.

    Args:
        pred: ``<video>/<frame>.png`` (or .jpg), named as the sharp frames; or the frames of one
            video. Frames that the protocol does not score may be missing, and are not read.
        gt: The same folders with the sharp frames, all of them (a protocol counts from the start of
            the video); or a dataset or frame store, of which the test split is taken.
        protocol: Name of a protocol.
        metrics: Of 'PSNR', 'SSIM', 'LPIPS'.
        out_dir: Folder for the report; ``None`` writes none.
        workers: Threads; ``None`` for one a core.

    Returns:
        As :func:`cdvd_mm.evaluation.summarise`.

    Raises:
        FileNotFoundError: A folder or a video is not there.
        ValueError: Missing or broken frames, all of them named, or frames of another size.
        RuntimeError: LPIPS is asked for and cannot be computed.
    """
    protocol = get_protocol(protocol)
    for folder in (pred, gt):
        if not os.path.isdir(folder):
            raise FileNotFoundError(f'{folder!r} does not exist or is no folder')
    videos = _sharp_videos(gt)
    jobs, missing = _pair(pred, videos, protocol)
    if missing:
        listed = '\n  '.join(missing)
        raise ValueError(f'{len(missing)} restored frame(s) that protocol {protocol.name} scores '
                         f'are missing:\n  {listed}')
    if not jobs:
        raise ValueError(f'protocol {protocol.name} scores no frame of videos as short as those in '
                         f'{gt}')

    def score(job: dict) -> dict | str:
        try:
            scores = score_frame(read_frame(job['pred_path']), read_frame(job['gt_path']), protocol,
                                 metrics)
        except FrameError as error:
            return str(error)
        except ValueError as error:
            return f'{job["pred_path"]}: {error}'
        return {**job, **scores}

    with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        scored = list(track(pool.map(score, jobs), 'scoring', len(jobs)))
    rows = [row for row in scored if isinstance(row, dict)]
    broken = [row for row in scored if isinstance(row, str)]
    if broken:
        listed = '\n  '.join(broken)
        raise ValueError(f'{len(broken)} frame(s) cannot be scored:\n  {listed}')
    summary = summarise(rows, protocol)
    if out_dir is not None:
        info = dict(restored_frames=os.path.abspath(pred), sharp_frames=os.path.abspath(gt),
                    versions=versions(), device=device_name())
        Results(out_dir, protocol, info).write(summary)
    return summary


def _sharp_videos(gt: str) -> dict[str, dict[str, str]]:
    """Stem to path of the sharp frames, in order, of every video."""
    if is_store(gt):
        return {v.name: dict(zip(v.stems, v.sharp)) for v in open_store(gt).videos('test')
                if v.sharp is not None}
    layout = find_layout(gt, 'test')
    if layout is not None:
        official = DVD_TEST if layout == 'dvd' else ()
        folders, problems = video_folders(gt, 'test', layout, official)
        videos = {}
        for folder in folders:
            video, more, _ = pair_frames(folder)
            problems += more
            videos[folder.name] = dict(zip(video.stems, video.sharp or ()))
        return _checked(videos, problems, gt)
    names = sub_folders(gt)
    listings = {name: list_frames(os.path.join(gt, name)) for name in names} if names \
        else {'': list_frames(gt)}
    return _checked({name: listing.frames for name, listing in listings.items()},
                    [p for listing in listings.values() for p in listing.problems], gt)


def _checked(videos: dict, problems: list, gt: str) -> dict:
    if problems:
        listed = '\n  '.join(map(str, problems))
        raise ValueError(f'{len(problems)} problem(s) with the sharp frames:\n  {listed}')
    videos = {name: frames for name, frames in videos.items() if frames}
    if not videos:
        raise FileNotFoundError(f'no sharp frames (PNG or JPEG) in {gt}')
    return videos


def _pair(pred: str, videos: dict[str, dict[str, str]],
          protocol: Protocol) -> tuple[list[dict], list[str]]:
    jobs, missing = [], []
    for name, sharp in videos.items():
        folder = os.path.join(pred, name)
        if len(videos) == 1 and name and not os.path.isdir(folder):
            folder = pred  # the frames of one video, without a folder of their own
        found = list_frames(folder).frames if os.path.isdir(folder) else {}
        stems = list(sharp)
        for index in protocol.frames(len(stems)):
            stem = stems[index]
            if stem not in found:
                missing.append(os.path.join(folder, f'{stem}.png'))
                continue
            video = name or os.path.basename(os.path.abspath(pred))
            jobs.append(dict(key=f'{video}/{stem}', video=video, frame_index=index,
                             video_length=len(stems), pred_path=found[stem],
                             gt_path=sharp[stem]))
    return jobs, missing
