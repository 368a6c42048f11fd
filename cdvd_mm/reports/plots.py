"""Pictures of scores: over time, and of the worst frames."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.logging import print_log

from cdvd_mm.datasets.frames import read_frame
from cdvd_mm.datasets.records import FrameError
from cdvd_mm.evaluation.protocols import get_protocol
from cdvd_mm.evaluation.results import mean
from cdvd_mm.evaluation.scores import score_frame

_KINDS = (('blur_path', 'blurred'), ('pred_path', 'restored'), ('gt_path', 'sharp'))


def load_report(path: str) -> dict:
    """Read a ``results.json``; ``path`` may be its folder.

    Raises:
        FileNotFoundError: It is not there.
        ValueError: It is no report, or has no scores.
    """
    if os.path.isdir(path):
        path = os.path.join(path, 'results.json')
    if not os.path.isfile(path):
        raise FileNotFoundError(f'no report {path}; tools/test.py and evaluate_frames.py write one')
    with open(path, encoding='utf-8') as file:
        try:
            report = json.load(file)
            scored = bool(report['overall'])
            report['frames'][:1], report['protocol']['name']
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f'{path} is no report of this package ({error!r})') from error
    if not scored:
        raise ValueError(f'{path} has no scores (there was no ground truth), nothing can be drawn')
    return report


def plot_results(reports: Sequence[str], out: str, metric: str = 'PSNR', worst: int = 4,
                 labels: Sequence[str] | None = None) -> list[str]:
    """Draw reports.

    Args:
        reports: ``results.json`` files or their folders; several are drawn into the same axes, and
            must be of one protocol.
        out: Folder for the pictures.
        metric: 'PSNR', 'SSIM' or 'LPIPS'.
        worst: How many of the first report's worst frames to show, blurred, restored and sharp as
            far as their files are still there.
        labels: Names of the reports in the legend. Default: those of their configs.

    Returns:
        Paths of the pictures: ``<metric>_over_time.png`` and ``worst_frames.png``.

    Raises:
        FileNotFoundError, ValueError: As :func:`load_report`; different protocols; a metric that a
            report does not have.
    """
    loaded = [load_report(path) for path in reports]
    protocols = sorted({report['protocol']['name'] for report in loaded})
    if len(protocols) > 1:
        raise ValueError(f'the reports are of different protocols, {protocols}; their numbers '
                         'cannot be compared')
    for path, report in zip(reports, loaded):
        if metric not in report['overall']:
            raise ValueError(f'{path} has no {metric}, it has {sorted(report["overall"])}')
    if not labels:
        labels = [name_of(path, report) for path, report in zip(reports, loaded)]
        if len(set(labels)) < len(labels):
            labels = [os.path.relpath(path) for path in reports]
    if len(labels) != len(reports):
        raise ValueError(f'{len(labels)} label(s) for {len(reports)} report(s)')
    os.makedirs(out, exist_ok=True)
    written = [_over_time(loaded, labels, metric, protocols[0], out)]
    if worst > 0:
        worst_path = _worst_frames(loaded[0], labels[0], metric, worst, out)
        written += [worst_path] if worst_path else []
    return written


def new_figure(**options: Any) -> Any:
    """A figure of matplotlib, which is optional."""
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            'the picture needs matplotlib: pip install matplotlib') from error
    return Figure(**options)


def _over_time(reports: list[dict], labels: Sequence[str], metric: str, protocol: str,
               out: str) -> str:
    from matplotlib.ticker import MaxNLocator
    videos = list(dict.fromkeys(name for report in reports for name in report['videos']))
    columns = min(3, len(videos))
    rows = -(-len(videos) // columns)
    figure = new_figure(figsize=(4.5 * columns, 2.6 * rows + 0.4), layout='constrained')
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis, video in zip(axes, videos):
        for report, label in zip(reports, labels):
            own = [r for r in report['frames'] if r['video'] == video]
            values = [float(r[metric]) for r in own]
            if not values:
                continue
            axis.plot([frame_number(r) for r in own], values, marker='.', linewidth=1,
                      label=f'{label}: {mean(values):.4g}')
        axis.set_title(video, fontsize=9)
        axis.set_xlabel('frame, by the number of its file')
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.set_ylabel(f'{metric} (dB)' if metric == 'PSNR' else metric)
        axis.grid(alpha=0.3)
        axis.legend(fontsize=7)
    for axis in axes[len(videos):]:
        axis.set_axis_off()
    totals = ', '.join(f'{label} {float(report["overall"][metric]):.4g}'
                       for report, label in zip(reports, labels))
    figure.suptitle(f'{metric} by protocol {protocol}, mean over frames: {totals}', fontsize=10)
    path = os.path.join(out, f'{metric.lower()}_over_time.png')
    figure.savefig(path, dpi=110)
    return path


def frame_number(row: dict) -> int:
    """The number in the name of a frame's file; its place in the video where there is none."""
    digits = re.findall(r'\d+', row['key'].rpartition('/')[2])
    return int(digits[-1]) if digits else int(row['frame_index'])


def worst_frames(report: dict, metric: str, count: int) -> list[dict]:
    """Each video's worst frame, the worst first, then each one's second: ``count`` rows."""
    sign = -1 if metric == 'LPIPS' else 1
    ranked: dict[str, list[dict]] = {}
    for row in sorted(report['frames'], key=lambda r: sign * float(r[metric])):
        ranked.setdefault(row['video'], []).append(row)
    order = [(rank, sign * float(row[metric]), row['key'], row) for rows in ranked.values()
             for rank, row in enumerate(rows)]
    return [row for *_, row in sorted(order, key=lambda entry: entry[:3])[:count]]


def _worst_frames(report: dict, label: str, metric: str, count: int, out: str) -> str | None:
    frames = worst_frames(report, metric, count)
    pictures = [[(_read(row.get(kind)), title) for kind, title in _KINDS] for row in frames]
    shown = [i for i in range(len(_KINDS)) if any(line[i][0] is not None for line in pictures)]
    if not shown:
        print_log('the worst frames are not drawn: none of their files is there (test with '
                  '--save-frames)', logger='current')
        return None
    figure = new_figure(figsize=(4.2 * len(shown), 2.7 * len(frames) + 0.6), layout='constrained')
    axes = figure.subplots(len(frames), len(shown), squeeze=False)
    protocol = get_protocol(report['protocol']['name'])
    for row, line, row_axes in zip(frames, pictures, axes):
        blurred, _, sharp = (image for image, _ in line)
        scores = dict(restored=f'{metric} {float(row[metric]):.4g}', blurred='', sharp='')
        if metric != 'LPIPS' and blurred is not None and sharp is not None:
            score = score_frame(blurred, sharp, protocol, (metric, ))[metric]
            scores['blurred'] = f'{metric} {score:.4g}'
        for axis, i in zip(row_axes, shown):
            image, title = line[i]
            if image is not None:
                axis.imshow(image)
            axis.set_axis_off()
            name = f'{row["key"]}, {title}' if i == shown[0] else title
            axis.set_title(f'{name}: {scores[title]}' if scores[title] else name, fontsize=8)
    figure.suptitle(f'{label}: its worst frames, of different videos as far as there are; {metric} '
                    'of the whole frame', fontsize=9)
    path = os.path.join(out, 'worst_frames.png')
    figure.savefig(path, dpi=130)
    return path


def name_of(path: str, report: dict) -> str:
    """What to call a report: its config, or its folder where that is not known."""
    config = report.get('config')
    stem = os.path.splitext(os.path.basename(config))[0] if isinstance(config, str) else ''
    return stem or os.path.basename(os.path.abspath(path))


def _read(path: str | None) -> np.ndarray | None:
    if path is None:
        return None
    try:
        return read_frame(path)
    except (FrameError, OSError, ValueError):
        return None
