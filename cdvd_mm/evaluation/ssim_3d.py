"""SSIM with a Gaussian over the colour axis too, as papers on BasicSR report it by default."""

from __future__ import annotations

import cv2
import numpy as np

SIZE, SIGMA = 11, 1.5
C1, C2 = (0.01 * 255)**2, (0.03 * 255)**2


def ssim_3d(pred: np.ndarray, gt: np.ndarray) -> float:
    """Three-dimensional SSIM of two pictures.

    The picture is taken as a block of height, width and colour. Means, variances and covariance
    come from a Gaussian of 11x11x11 with sigma 1.5, the block's faces repeated outwards, and SSIM
    is the mean over the whole block: on ordinary pictures far higher than the usual SSIM.

    Args:
        pred: (h, w, 3) in 0..255.
        gt: As ``pred``.

    Returns:
        SSIM, at most 1.
    """
    pred, gt = pred.astype(np.float64), gt.astype(np.float64)
    mean_pred, mean_gt = _blur(pred), _blur(gt)
    var_pred = _blur(pred**2) - mean_pred**2
    var_gt = _blur(gt**2) - mean_gt**2
    covariance = _blur(pred * gt) - mean_pred * mean_gt
    score = (2 * mean_pred * mean_gt + C1) * (2 * covariance + C2) / (
        (mean_pred**2 + mean_gt**2 + C1) * (var_pred + var_gt + C2))
    return float(score.mean())


def _blur(block: np.ndarray) -> np.ndarray:
    """The Gaussian along all three axes of (h, w, c)."""
    kernel = cv2.getGaussianKernel(SIZE, SIGMA)
    blurred = cv2.sepFilter2D(block, cv2.CV_64F, kernel, kernel, borderType=cv2.BORDER_REPLICATE)
    return blurred @ _colour_weights(block.shape[2], kernel[:, 0])


def _colour_weights(channels: int, kernel: np.ndarray) -> np.ndarray:
    """What the kernel amounts to along so short an axis: (channels in, channels out)."""
    weights = np.zeros((channels, channels))
    for out in range(channels):
        for tap, weight in enumerate(kernel, start=out - SIZE // 2):
            weights[min(max(tap, 0), channels - 1), out] += weight
    return weights
