"""Score one frame, with MMagic's arithmetic."""

from __future__ import annotations

import os
from functools import cache

import numpy as np
import torch
from mmagic.evaluation.metrics.psnr import psnr
from mmagic.evaluation.metrics.ssim import ssim

from cdvd_mm.registry import METRICS

from .protocols import Protocol, get_protocol
from .ssim_3d import ssim_3d

METRIC_NAMES = ('PSNR', 'SSIM', 'LPIPS')


def to_8bit(frame: np.ndarray, truncate: bool = False) -> np.ndarray:
    """Clamp to 0..255 and round (half to even) or truncate, whatever the shape."""
    if frame.dtype == np.uint8:
        return frame
    frame = np.clip(frame, 0, 255)
    return (np.floor(frame) if truncate else np.rint(frame)).astype(np.uint8)


def score_frame(pred: np.ndarray, gt: np.ndarray, protocol: Protocol,
                metrics: tuple[str, ...] = ('PSNR', 'SSIM')) -> dict[str, float]:
    """Score a restored frame against its sharp one.

    Args:
        pred: (h, w, 3) RGB in 0..255; anything but uint8 is clamped and rounded (or truncated)
            first. It may be cut already to the multiple that the protocol cuts sizes to.
        gt: (h, w, 3) RGB uint8.
        protocol: Says which pixels count.
        metrics: Of 'PSNR' (dB, infinite for equal frames), 'SSIM', 'LPIPS' (AlexNet).

    Returns:
        A number for each metric.

    Raises:
        ValueError: The frames differ in size, or an unknown metric.
        RuntimeError: LPIPS is asked for and cannot be computed.
    """
    if pred.shape != gt.shape:
        cut = protocol.cut_to_multiple(gt)
        gt = cut if pred.shape == cut.shape else gt
    if pred.shape != gt.shape:
        raise ValueError(f'the restored frame is {pred.shape[1]}x{pred.shape[0]}, the sharp one '
                         f'{gt.shape[1]}x{gt.shape[0]}; they must be of one size')
    check_metrics(metrics)
    pred, gt = protocol.crop(to_8bit(pred, protocol.truncate)), protocol.crop(to_8bit(gt))
    scores = {}
    if 'PSNR' in metrics:
        scores['PSNR'] = float(psnr(pred, gt))
    if 'SSIM' in metrics:
        scores['SSIM'] = ssim_3d(pred, gt) if protocol.ssim == '3d' else float(ssim(pred, gt))
    if 'LPIPS' in metrics:
        scores['LPIPS'] = _lpips(pred, gt)
    return scores


@METRICS.register_module()
class FrameScorer:
    """:func:`score_frame` by the names of a config, for what is not to import this room: hooks.

    Args:
        protocol: Name of a protocol.
        metrics: See :func:`score_frame`.

    Raises:
        ValueError: An unknown protocol or metric.
    """

    def __init__(self, protocol: str = 'cdvd-tsp', metrics: tuple[str, ...] = ('PSNR', )) -> None:
        self.protocol, self.metrics = get_protocol(protocol), tuple(metrics)
        check_metrics(self.metrics)

    def __call__(self, pred: np.ndarray, gt: np.ndarray) -> dict[str, float]:
        """Score a frame, see :func:`score_frame`."""
        return score_frame(pred, gt, self.protocol, self.metrics)


def check_metrics(metrics: tuple[str, ...]) -> None:
    """Raise ValueError for an unknown metric."""
    unknown = [name for name in metrics if name not in METRIC_NAMES]
    if unknown or not metrics:
        raise ValueError(f'metrics must be some of {METRIC_NAMES}, found {tuple(metrics)}')


def lpips_missing() -> str | None:
    """Why LPIPS cannot be computed here; ``None`` where it can. Nothing is downloaded."""
    try:
        import lpips  # noqa: F401
    except ImportError:
        return 'the package lpips is not installed (`pip install lpips`)'
    folder = os.path.join(torch.hub.get_dir(), 'checkpoints')
    if not any(name.startswith('alexnet') for name in _names(folder)):
        return (f'the weights of AlexNet are not in {folder} (run '
                '`python -c "import lpips; lpips.LPIPS(net=\'alex\')"` where there is a network)')
    return None


def _names(folder: str) -> list[str]:
    return os.listdir(folder) if os.path.isdir(folder) else []


@cache
def _lpips_network():
    missing = lpips_missing()
    if missing:
        raise RuntimeError(f'LPIPS is not computed: {missing}')
    import lpips
    return lpips.LPIPS(net='alex', verbose=False).eval()


def _lpips(pred: np.ndarray, gt: np.ndarray) -> float:
    tensors = [torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None] / 127.5 - 1
               for image in (pred, gt)]
    with torch.no_grad():
        return float(_lpips_network()(*tensors))
