"""A trained model beside what went in and what should have come out, in one picture."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
import torch
from mmengine.registry import init_default_scope
from torch import Tensor

from cdvd_mm.datasets.frame_files import write_frame
from cdvd_mm.engine.config import load_config
from cdvd_mm.evaluation.protocols import get_protocol
from cdvd_mm.evaluation.scores import score_frame, to_8bit
from cdvd_mm.inference.model import init_model
from cdvd_mm.ops import pad_to_multiple
from cdvd_mm.progress import track
from cdvd_mm.registry import DATASETS


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
    if not hasattr(model.generator, 'forward_details'):
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
    psnr_blurred, psnr_restored = np.mean(scores, axis=0)
    figure = os.path.join(out_dir, 'comparison.png')
    title = (f'{len(scores)} test frames, mean PSNR: blurred {psnr_blurred:.2f} dB, '
             f'restored {psnr_restored:.2f} dB')
    draw_comparison(_spread(examples, num_examples), title, figure)
    return ComparisonResult(len(scores), float(psnr_blurred), float(psnr_restored), figure,
                            restored_dir)


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
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            'the picture needs matplotlib: pip install matplotlib') from error
    with_prior = any(frame.sharpness is not None for frame in frames)
    columns = 4 if with_prior else 3
    height, width = frames[0].sharp.shape[:2]
    cell = 2.7  # inches
    row = cell * height / width
    # Room for the title, the names of the columns and a line under every picture, in inches.
    top, below, bar = 0.65, 0.27, 0.75 if with_prior else 0.05
    size = columns * (cell + 0.06) + bar, top + len(frames) * (row + below)
    figure = Figure(figsize=size, dpi=150, facecolor='white')
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


def _protocol_of(cfg):
    metrics = cfg.test_evaluator.get('metrics', [])
    metrics = metrics if isinstance(metrics, (list, tuple)) else [metrics]
    return get_protocol(next((metric.protocol for metric in metrics if 'protocol' in metric),
                             'cdvd-tsp'))


@torch.no_grad()
def _compare(model, data: dict, protocol) -> ComparedFrame:
    """Restore the centre of one window, as a test dataset packs it, and score it."""
    sample = data['data_samples']
    if 'gt_img' not in sample:
        raise ValueError(f'{sample.key}: there is no sharp frame to compare with')
    batch = model.data_preprocessor({'inputs': [data['inputs']], 'data_samples': [sample]}, False)
    frames = batch['inputs']  # (1, t, 3, h, w), RGB in [0, 1]
    height, width = frames.shape[-2:]
    details = model.generator.forward_details(
        pad_to_multiple(frames, model.generator.size_divisor))[-1]
    sharpness = None
    if details.sharpness is not None:
        sharpness = details.sharpness[0, 0, 0, :height, :width].cpu().numpy()
    restored = _picture(255 * details.restored[0, 0, :, :height, :width])
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
