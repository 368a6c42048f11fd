"""Pictures of results: scores over time, the worst frames, a model beside input and truth."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.registry import init_default_scope
from torch import Tensor

from cdvd_mm.datasets.frame_files import write_frame
from cdvd_mm.datasets.frames import read_frame
from cdvd_mm.datasets.records import FrameError
from cdvd_mm.engine.config import load_config
from cdvd_mm.evaluation.protocols import Protocol, get_protocol
from cdvd_mm.evaluation.results import mean
from cdvd_mm.evaluation.scores import score_frame, to_8bit
from cdvd_mm.inference.model import init_model
from cdvd_mm.models.protocols import CascadeNetwork
from cdvd_mm.ops import run_padded
from cdvd_mm.progress import track
from cdvd_mm.registry import DATASETS

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
        labels: Names of the reports in the legend.

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
    labels = labels or [os.path.basename(os.path.abspath(path)) for path in reports]
    if len(labels) != len(reports):
        raise ValueError(f'{len(labels)} label(s) for {len(reports)} report(s)')
    os.makedirs(out, exist_ok=True)
    written = [_over_time(loaded, labels, metric, protocols[0], out)]
    if worst > 0:
        worst_path = _worst_frames(loaded[0], metric, worst, out)
        written += [worst_path] if worst_path else []
    return written


def _figure(**options: Any) -> Any:
    """A figure of matplotlib, which is optional."""
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            'the picture needs matplotlib: pip install matplotlib') from error
    return Figure(**options)


def _over_time(reports: list[dict], labels: Sequence[str], metric: str, protocol: str,
               out: str) -> str:
    videos = list(dict.fromkeys(name for report in reports for name in report['videos']))
    columns = min(3, len(videos))
    rows = -(-len(videos) // columns)
    figure = _figure(figsize=(4.5 * columns, 2.6 * rows + 0.4), layout='constrained')
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis, video in zip(axes, videos):
        for report, label in zip(reports, labels):
            own = [r for r in report['frames'] if r['video'] == video]
            values = [float(r[metric]) for r in own]
            if not values:
                continue
            axis.plot([r['frame_index'] for r in own], values, marker='.', linewidth=1,
                      label=f'{label}: {mean(values):.4g}')
        axis.set_title(video, fontsize=9)
        axis.set_xlabel('frame')
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


def _worst_frames(report: dict, metric: str, count: int, out: str) -> str | None:
    sign = -1 if metric == 'LPIPS' else 1
    frames = sorted(report['frames'], key=lambda r: sign * float(r[metric]))[:count]
    pictures = [[(_read(row.get(kind)), title) for kind, title in _KINDS] for row in frames]
    shown = [i for i in range(len(_KINDS)) if any(line[i][0] is not None for line in pictures)]
    if not shown:
        print_log('the worst frames are not drawn: none of their files is there (test with '
                  '--save-frames)', logger='current')
        return None
    figure = _figure(figsize=(4.2 * len(shown), 2.7 * len(frames) + 0.3), layout='constrained')
    axes = figure.subplots(len(frames), len(shown), squeeze=False)
    for row, line, row_axes in zip(frames, pictures, axes):
        for axis, i in zip(row_axes, shown):
            image, title = line[i]
            if image is not None:
                axis.imshow(image)
            axis.set_axis_off()
            axis.set_title(f'{title}: {row["key"]} ({metric} {float(row[metric]):.4g})'
                           if i == shown[0] else title, fontsize=7)
    path = os.path.join(out, 'worst_frames.png')
    figure.savefig(path, dpi=130)
    return path


def _read(path: str | None) -> np.ndarray | None:
    if path is None:
        return None
    try:
        return read_frame(path)
    except (FrameError, OSError, ValueError):
        return None


@dataclass
class ComparedFrame:
    """A test frame in all its forms.

    Attributes:
        key (str): '<video>/<frame>'.
        video (str): Name of the video.
        blurred (np.ndarray): (h, w, 3) RGB uint8.
        restored (np.ndarray): (h, w, 3) RGB uint8.
        sharp (np.ndarray): (h, w, 3) RGB uint8.
        sharpness (np.ndarray, optional): S (h, w) in [0, 1] of the last stage; None without prior.
        psnr_blurred (float): In dB, by the protocol of the config.
        psnr_restored (float): Likewise.
    """

    key: str
    video: str
    blurred: np.ndarray
    restored: np.ndarray
    sharp: np.ndarray
    sharpness: np.ndarray | None
    psnr_blurred: float
    psnr_restored: float


@dataclass
class ComparisonResult:
    """What :func:`plot_comparison` found.

    Attributes:
        num_frames (int): Scored frames.
        psnr_blurred (float): Mean over them, in dB.
        psnr_restored (float): Likewise.
        figure (str): Path of the picture.
        frames (str): Folder of the restored frames.
    """

    num_frames: int
    psnr_blurred: float
    psnr_restored: float
    figure: str
    frames: str


def plot_comparison(config: str, checkpoint: str, out_dir: str, num_examples: int = 3,
                    device: str = 'auto', options: dict | None = None) -> ComparisonResult:
    """Restore the test frames of a config, score them beside the blurred ones, draw examples.

    Writes ``<out_dir>/restored/<video>/<frame>.png`` and ``<out_dir>/comparison.png``: of the most
    blurred frames the quarter where the blur does most, blurred, restored and sharp, and the
    sharpness prior S that the last stage saw there.

    Args:
        config (str): Path of the config of a windowed CDVDNet with a test set that has sharp
            frames.
        checkpoint (str): Path of the checkpoint.
        out_dir (str): Folder to write to.
        num_examples (int): Rows of the picture, of different videos as far as there are. Defaults
            to 3.
        device (str): 'auto', 'cpu', 'cuda' or 'cuda:N'. Defaults to 'auto'.
        options (dict, optional): Settings that override the config's.

    Returns:
        ComparisonResult: Mean PSNRs and paths.

    Raises:
        FileNotFoundError: Config, checkpoint or data are not there.
        ValueError: The model has no stages to look into, the data no sharp frames, or
            ``num_examples`` is below 1.
        ModuleNotFoundError: matplotlib is not installed.
    """
    if num_examples < 1:
        raise ValueError(f'num_examples must be at least 1, found {num_examples}')
    cfg = load_config(config, options)
    model = init_model(cfg, checkpoint, device)
    if not isinstance(model.generator, CascadeNetwork):
        raise ValueError(f'{config}: {type(model.generator).__name__} has no stages to look into; '
                         'the comparison needs a CDVDNet')
    init_default_scope(cfg.get('default_scope', 'cdvd_mm'))
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    protocol = _protocol_of(cfg)
    restored_dir = os.path.join(out_dir, 'restored')

    examples: dict[str, list[ComparedFrame]] = {}
    scores = []
    for index in track(range(len(dataset)), 'restoring'):
        frame = _compare(model, dataset[index], protocol)
        path = os.path.join(restored_dir, f'{frame.key}.png')
        os.makedirs(os.path.dirname(path), exist_ok=True)
        write_frame(path, frame.restored)
        scores.append((frame.psnr_blurred, frame.psnr_restored))
        # The most blurred frames of each video are the ones to look at.
        kept = examples.setdefault(frame.video, [])
        kept.append(frame)
        kept.sort(key=lambda entry: entry.psnr_blurred)
        del kept[num_examples:]
    psnr_blurred, psnr_restored = (mean(list(values)) for values in zip(*scores))
    figure = os.path.join(out_dir, 'comparison.png')
    title = (f'{len(scores)} test frames, mean PSNR: blurred {psnr_blurred:.2f} dB, '
             f'restored {psnr_restored:.2f} dB')
    draw_comparison(_spread(examples, num_examples), title, figure)
    return ComparisonResult(len(scores), psnr_blurred, psnr_restored, figure, restored_dir)


def draw_comparison(frames: list[ComparedFrame], title: str, path: str) -> None:
    """Draw frames in rows: blurred, restored, sharp, S with a colour bar.

    Shown is the part of half the height and width where the blurred frame differs most from the
    sharp one; the numbers are those of the whole frames.

    Args:
        frames (list[ComparedFrame]): The rows, frames of one size.
        title (str): Written above.
        path (str): File to write; its folder must exist.

    Raises:
        ModuleNotFoundError: matplotlib is not installed.
    """
    with_prior = any(frame.sharpness is not None for frame in frames)
    columns = 4 if with_prior else 3
    height, width = frames[0].sharp.shape[:2]
    cell = 2.7  # inches
    row = cell * height / width
    # Room for the title, the names of the columns and a line under every picture, in inches.
    top, below, bar = 0.65, 0.27, 0.75 if with_prior else 0.05
    size = columns * (cell + 0.06) + bar, top + len(frames) * (row + below)
    figure = _figure(figsize=size, dpi=150, facecolor='white')
    figure.text(0.03 / size[0], 1 - 0.2 / size[1], title, fontsize=12, weight='bold', va='center')
    lowest = min((frame.sharpness.min() for frame in frames if frame.sharpness is not None),
                 default=0.0)
    limits = dict(vmin=np.floor(10 * lowest) / 10, vmax=1.0)
    shown = None
    for number, frame in enumerate(frames):
        bottom = size[1] - top - (number + 1) * row - number * below
        texts = (f'{frame.psnr_blurred:.2f} dB', f'{frame.psnr_restored:.2f} dB',
                 f'detail of {frame.key}', '')
        part = _most_blurred_part(frame)
        pictures = [None if picture is None else picture[part] for picture in
                    (frame.blurred, frame.restored, frame.sharp, frame.sharpness)]
        for column, (picture, text) in enumerate(zip(pictures[:columns], texts)):
            if picture is None:
                continue
            axes = figure.add_axes([(column * (cell + 0.06) + 0.03) / size[0], bottom / size[1],
                                    cell / size[0], row / size[1]])
            if column < 3:
                axes.imshow(picture, interpolation='bicubic', aspect='auto')
            else:
                shown = axes.imshow(picture, cmap='viridis', aspect='auto', **limits)
            axes.set_axis_off()
            axes.text(0.5, -0.03, text, transform=axes.transAxes, ha='center', va='top',
                      fontsize=10)
            if number == 0:
                axes.set_title(('blurred', 'restored', 'sharp', 'sharpness prior S')[column],
                               fontsize=11, pad=4)
    if shown is not None:
        tall = size[1] - top - below
        colour_axes = figure.add_axes([(columns * (cell + 0.06) + 0.08) / size[0],
                                       below / size[1], 0.14 / size[0], tall / size[1]])
        colour_bar = figure.colorbar(shown, cax=colour_axes)
        colour_bar.ax.tick_params(labelsize=9)
    figure.savefig(path)


def _protocol_of(cfg: Config) -> Protocol:
    metrics = cfg.test_evaluator.get('metrics', [])
    metrics = metrics if isinstance(metrics, (list, tuple)) else [metrics]
    return get_protocol(next((metric.protocol for metric in metrics if 'protocol' in metric),
                             'cdvd-tsp'))


@torch.no_grad()
def _compare(model: Any, data: dict, protocol: Protocol) -> ComparedFrame:
    """Restore the centre of one window, as a test dataset packs it, and score it."""
    sample = data['data_samples']
    if 'gt_img' not in sample:
        raise ValueError(f'{sample.key}: there is no sharp frame to compare with')
    batch = model.data_preprocessor({'inputs': [data['inputs']], 'data_samples': [sample]}, False)
    frames = batch['inputs']  # (1, t, 3, h, w), RGB in [0, 1]
    network: CascadeNetwork = model.generator
    details = run_padded(network.forward_details, frames, network.size_divisor,
                         network.min_size)[-1]
    sharpness = None if details.sharpness is None else details.sharpness[0, 0, 0].cpu().numpy()
    restored = _picture(255 * details.restored[0, 0])
    blurred = _picture(data['inputs'][len(data['inputs']) // 2])
    sharp = _picture(sample.gt_img)
    return ComparedFrame(
        sample.key, sample.video, blurred, restored, sharp, sharpness,
        *(score_frame(picture, sharp, protocol, ('PSNR',))['PSNR']
          for picture in (blurred, restored)))


def _picture(frame: Tensor) -> np.ndarray:
    """(3, h, w) in 0..255 to (h, w, 3) uint8."""
    return to_8bit(frame.permute(1, 2, 0).cpu().numpy())


def _most_blurred_part(frame: ComparedFrame) -> tuple[slice, slice]:
    """The window of half the height and width with the largest squared error."""
    error = ((frame.blurred.astype(np.float64) - frame.sharp)**2).sum(2)
    height, width = (max(side // 2, 1) for side in error.shape)
    total = np.pad(error.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    sums = total[height:, width:] - total[:-height, width:] - total[height:, :-width] \
        + total[:-height, :-width]
    top, left = np.unravel_index(sums.argmax(), sums.shape)
    return slice(top, top + height), slice(left, left + width)


def _spread(examples: dict[str, list[ComparedFrame]], count: int) -> list[ComparedFrame]:
    """Each video's most blurred frame, the worst first, then each one's second: ``count``."""
    ranked = [(rank, frame.psnr_blurred, frame) for frames in examples.values()
              for rank, frame in enumerate(frames)]
    return [frame for *_, frame in sorted(ranked, key=lambda entry: entry[:2])][:count]
