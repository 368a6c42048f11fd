"""What a cascade saw in a frame: its sharpness prior and its flow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from cdvd_mm.models.protocols import CascadeNetwork
from cdvd_mm.ops import pad_to_multiple

from .frame_restorer import FrameRestorer
from .precision import computing


def has_details(network: Any) -> bool:
    """Whether a network estimates flow, or has a prior, and tells of it."""
    return isinstance(network, CascadeNetwork) and any(
        getattr(network, part, None) is not None for part in ('flow_estimator', 'prior'))


def frame_details(restorer: FrameRestorer, frames: Sequence[np.ndarray],
                  index: int) -> tuple[np.ndarray | None, np.ndarray | None]:
    """What the first stage sees in one of some frames.

    Args:
        restorer (FrameRestorer): What feeds the network.
        frames (Sequence[np.ndarray]): Neighbouring frames (h, w, 3), RGB, uint8 or uint16.
        index (int): Which of them; the first and the last one have themselves as a neighbour.

    Returns:
        tuple: The sharpness prior (h, w) in [0, 1], and the flow to the frame before, (h, w, 2) in
        pixels, x then y; None for what the network has not.

    Raises:
        ValueError: The network has neither.
    """
    network = restorer.network
    if not has_details(network):
        raise ValueError('this network has no flow and no sharpness prior to be shown')
    triple = [frames[max(0, min(index + step, len(frames) - 1))] for step in (-1, 0, 1)]
    height, width = triple[1].shape[:2]
    peak = 65535 if triple[1].dtype == np.uint16 else 255
    clip = torch.from_numpy(np.stack(triple).astype(np.float32) / peak).permute(0, 3, 1, 2)
    clip = pad_to_multiple(clip, network.size_divisor, network.min_size)[None]
    with torch.no_grad(), computing(network, restorer.precision):
        stage = network.forward_details(clip.to(restorer.device), 1)[0]

    def array(value: torch.Tensor) -> np.ndarray:
        return value[..., :height, :width].float().cpu().numpy()

    sharpness = None if stage.sharpness is None else array(stage.sharpness[0, 0, 0])
    flow = None if stage.flows is None else array(stage.flows[0, 0, 0]).transpose(1, 2, 0)
    return sharpness, flow
