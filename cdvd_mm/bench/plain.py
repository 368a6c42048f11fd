"""The cascade as its authors' program runs it: every triple and every pair on its own.

Nothing is shared, and every frame's flow features are computed anew for each
pair. Streaming, training steps that take all triples as one batch, and counts
of multiply-adds are compared with this form, and held to it.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from cdvd_mm.models.backbones.cdvd_net import AlignedTriples, CDVDNet, StageDetails
from cdvd_mm.ops import warp_with_mask


def plain_details(network: CDVDNet, frames: Tensor,
                  num_active_stages: int | None = None) -> list[StageDetails]:
    """What :meth:`CDVDNet.forward_details` computes, one triple and one pair after the other.

    Args:
        network (CDVDNet): The network.
        frames (Tensor): (n, t, 3, h, w) RGB in [0, 1].
        num_active_stages (int, optional): Stages to run. Default: None, all.

    Returns:
        list[StageDetails]: One for each stage.
    """
    outputs = []
    clip = list(frames.unbind(1))
    for _ in range(num_active_stages or network.num_stages):
        triples = [_triple(network, clip[k - 1:k + 2]) for k in range(1, len(clip) - 1)]
        details = StageDetails(*(None if parts[0] is None else torch.stack(parts, 1)
                                 for parts in zip(*triples)))
        clip = list(details.restored.unbind(1))
        outputs.append(details)
    return outputs


@torch.no_grad()
def restore_window_plainly(network: CDVDNet, frames: Sequence[Tensor]) -> Tensor:
    """Restore the middle of a window.

    Args:
        network (CDVDNet): The network.
        frames (Sequence[Tensor]): 2 T + 1 frames (n, 3, h, w), RGB in [0, 1].

    Returns:
        Tensor: (n, 3, h, w), not clamped.
    """
    return plain_details(network, torch.stack(list(frames), dim=1))[-1].restored[:, 0]


def _triple(network: CDVDNet, frames: Sequence[Tensor]) -> tuple[Tensor | None, ...]:
    """Restored middle frame, aligned frames, masks, flows and S of three (n, 3, h, w) frames."""
    before, middle, after = frames
    if network.flow_estimator is None:
        aligned = network.align(frames)
    else:
        flows = [network.flow_estimator(middle, neighbour) for neighbour in (before, after)]
        (before, mask_before), (after, mask_after) = map(warp_with_mask, (before, after), flows)
        aligned = AlignedTriples(torch.stack((before, middle, after), dim=1),
                                 torch.stack((mask_before, mask_after), dim=1),
                                 torch.stack(flows, dim=1))
    sharpness = network.sharpness(aligned)
    return network.restore(aligned, sharpness), *aligned, sharpness
