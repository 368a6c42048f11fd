"""A model's frames beside the blurred and the sharp ones, in one picture."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import Tensor

from cdvd_mm.datasets.frame_files import write_frame
from cdvd_mm.engine.config import load_config
from cdvd_mm.evaluation.protocols import Protocol, get_protocol
from cdvd_mm.evaluation.results import mean
from cdvd_mm.evaluation.scores import score_frame, to_8bit
from cdvd_mm.inference.model import init_model
from cdvd_mm.models.protocols import CascadeNetwork
from cdvd_mm.ops import run_padded
from cdvd_mm.progress import track
from cdvd_mm.registry import DATASETS
from cdvd_mm.reports.plots import new_figure
from cdvd_mm.weights import default_model

PRIOR, SHIPPED = 'sharpness prior S', 'CDVD-lite, shipped'

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
        shipped (np.ndarray, optional): What the network that comes with the package makes of it,
            (h, w, 3) RGB uint8.
        psnr_shipped (float, optional): Likewise.
    """

    key: str
    video: str
    blurred: np.ndarray
    restored: np.ndarray
    sharp: np.ndarray
    sharpness: np.ndarray | None
    psnr_blurred: float
    psnr_restored: float
    shipped: np.ndarray | None = None
    psnr_shipped: float | None = None


@dataclass
class ComparisonResult:
    """What :func:`plot_comparison` found.

    Attributes:
        num_frames (int): Scored frames.
        psnr_blurred (float): Mean over them, in dB.
        psnr_restored (float): Likewise.
        figure (str): Path of the picture.
        frames (str): Folder of the restored frames.
        psnr_shipped (float, optional): Mean PSNR of the network that comes with the package, where
            it was asked for.
    """

    num_frames: int
    psnr_blurred: float
    psnr_restored: float
    figure: str
    frames: str
    psnr_shipped: float | None = None


def plot_comparison(config: str, checkpoint: str, out_dir: str, num_examples: int = 3,
                    device: str = 'auto', options: dict | None = None,
                    with_shipped: bool = False) -> ComparisonResult:
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
        with_shipped (bool): Restore the frames with the network that comes with the package as
            well. Defaults to False.

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
    shipped = _Shipped(cfg, device) if with_shipped else None
    restored_dir = os.path.join(out_dir, 'restored')

    examples: dict[str, list[ComparedFrame]] = {}
    scores, shipped_scores = [], []
    for index in track(range(len(dataset)), 'restoring'):
        frame = _compare(model, dataset[index], protocol)
        if shipped is not None:
            frame.shipped = shipped.restore(index, frame.key)
            frame.psnr_shipped = _psnr(frame.shipped, frame.sharp, protocol)
            shipped_scores.append(frame.psnr_shipped)
        path = os.path.join(restored_dir, f'{frame.key}.png')
        os.makedirs(os.path.dirname(path), exist_ok=True)
        write_frame(path, frame.restored)
        scores.append((frame.psnr_blurred, frame.psnr_restored))
        # The most blurred frames of each video are the ones to look at.
        kept = examples.setdefault(frame.video, [])
        kept.append(frame)
        kept.sort(key=lambda entry: entry.psnr_blurred)
        del kept[num_examples:]
    psnr_blurred, psnr_restored = (mean([pair[k] for pair in scores]) for k in (0, 1))
    psnr_shipped = mean(shipped_scores) if shipped_scores else None
    figure = os.path.join(out_dir, 'comparison.png')
    title = (f'{len(scores)} test frames, mean PSNR: blurred {psnr_blurred:.2f} dB, '
             f'restored {psnr_restored:.2f} dB')
    if psnr_shipped is not None:
        title += f', CDVD-lite {psnr_shipped:.2f} dB'
    draw_comparison(_spread(examples, num_examples), title, figure)
    return ComparisonResult(len(scores), psnr_blurred, psnr_restored, figure, restored_dir,
                            psnr_shipped)


def draw_comparison(frames: list[ComparedFrame], title: str, path: str) -> None:
    """Draw frames in rows: blurred, restored, sharp, S with a colour bar; as far as there are.

    Shown is the part of half the height and width where the blurred frame differs most from the
    sharp one; the numbers are those of the whole frames.

    Args:
        frames (list[ComparedFrame]): The rows, frames of one size.
        title (str): Written above.
        path (str): File to write; its folder must exist.

    Raises:
        ModuleNotFoundError: matplotlib is not installed.
    """
    columns = _columns(frames)
    height, width = frames[0].sharp.shape[:2]
    cell = 2.7  # inches
    row = cell * height / width
    # Room for the title, the names of the columns and a line under every picture, in inches.
    top, below, bar = 0.65, 0.27, 0.75 if PRIOR in columns else 0.05
    size = len(columns) * (cell + 0.06) + bar, top + len(frames) * (row + below)
    figure = new_figure(figsize=size, dpi=150, facecolor='white')
    figure.text(0.03 / size[0], 1 - 0.2 / size[1], title, fontsize=12, weight='bold', va='center')
    lowest = min((frame.sharpness.min() for frame in frames if frame.sharpness is not None),
                 default=0.0)
    limits = dict(vmin=np.floor(10 * lowest) / 10, vmax=1.0)
    shown = None
    for number, frame in enumerate(frames):
        bottom = size[1] - top - (number + 1) * row - number * below
        part = _most_blurred_part(frame)
        for column, name in enumerate(columns):
            picture, text = _cell(frame, name)
            if picture is None:
                continue
            axes = figure.add_axes([(column * (cell + 0.06) + 0.03) / size[0], bottom / size[1],
                                    cell / size[0], row / size[1]])
            if name == PRIOR:
                shown = axes.imshow(picture[part], cmap='viridis', aspect='auto', **limits)
            else:
                axes.imshow(picture[part], interpolation='bicubic', aspect='auto')
            axes.set_axis_off()
            axes.text(0.5, -0.03, text, transform=axes.transAxes, ha='center', va='top',
                      fontsize=10)
            if number == 0:
                axes.set_title(name, fontsize=11, pad=4)
    if shown is not None:
        tall = size[1] - top - below
        colour_axes = figure.add_axes([(len(columns) * (cell + 0.06) + 0.08) / size[0],
                                       below / size[1], 0.14 / size[0], tall / size[1]])
        colour_bar = figure.colorbar(shown, cax=colour_axes)
        colour_bar.ax.tick_params(labelsize=9)
    figure.savefig(path)


def _columns(frames: list[ComparedFrame]) -> list[str]:
    """The headings of those columns for which there are pictures."""
    return ['blurred', 'restored',
            *([SHIPPED] if any(frame.shipped is not None for frame in frames) else []),
            'sharp',
            *([PRIOR] if any(frame.sharpness is not None for frame in frames) else [])]


def _cell(frame: ComparedFrame, column: str) -> tuple[np.ndarray | None, str]:
    """A column's picture of a frame, and what is written below it."""
    if column == 'sharp':
        return frame.sharp, f'detail of {frame.key}'
    if column == PRIOR:
        return frame.sharpness, ''
    picture, psnr = {'blurred': (frame.blurred, frame.psnr_blurred),
                     'restored': (frame.restored, frame.psnr_restored),
                     SHIPPED: (frame.shipped, frame.psnr_shipped)}[column]
    return picture, f'{psnr:.2f} dB'


class _Shipped:
    """The network that comes with the package, on the test frames of another model's config."""

    def __init__(self, cfg: Config, device: str) -> None:
        self.model: Any = init_model(*default_model(), device)
        network: Any = self.model.generator
        self.dataset = DATASETS.build(
            {**cfg.test_dataloader.dataset, 'num_frames': network.num_frames})

    @torch.no_grad()
    def restore(self, index: int, key: str) -> np.ndarray:
        """(h, w, 3) RGB uint8 of the frame that the other model calls ``key``."""
        data = self.dataset[index]
        assert data['data_samples'].key == key, f'{data["data_samples"].key} is not {key}'
        frames = self.model.data_preprocessor(
            {'inputs': [data['inputs']], 'data_samples': [data['data_samples']]}, False)['inputs']
        network: Any = self.model.generator
        return _picture(255 * run_padded(network, frames, network.size_divisor,
                                         network.min_size)[0])


def _psnr(picture: np.ndarray, sharp: np.ndarray, protocol: Protocol) -> float:
    return score_frame(picture, sharp, protocol, ('PSNR',))['PSNR']


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
        _psnr(blurred, sharp, protocol), _psnr(restored, sharp, protocol))


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
