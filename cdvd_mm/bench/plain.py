"""The cascade as its authors' program runs it: every triple and every pair on its own.

Nothing is shared, and every frame's flow features are computed anew for each
pair. Streaming, training steps that take all triples as one batch, and counts
of multiply-adds are compared with this form, and held to it.
"""

from collections.abc import Sequence
from typing import Protocol, cast, runtime_checkable

import torch
from torch import Tensor

from cdvd_mm.models.backbones.cdvd_net import AlignedTriples
from cdvd_mm.models.protocols import CascadeNetwork, FlowEstimator, StageDetails
from cdvd_mm.ops import warp_with_mask


@runtime_checkable
class SteppedCascade(CascadeNetwork, Protocol):
    """A cascade whose stages can be gone through step by step, as CDVDNet's.

    Attributes:
        flow_estimator (FlowEstimator, optional): Frames to features, two
            features to a flow.
        flow_source (str): 'restored', or 'blurred': all stages have the flow
            of the blurred frames.
    """

    flow_estimator: FlowEstimator | None
    flow_source: str

    def align(self, frames: Sequence[Tensor]) -> AlignedTriples:
        """Previous, middle, next frames, each (n, 3, h, w), to the outer ones warped."""
        ...

    def sharpness(self, aligned: AlignedTriples) -> Tensor | None:
        """S of the middle frames, (n, 1, h, w)."""
        ...

    def restore(self, aligned: AlignedTriples, sharpness: Tensor | None) -> Tensor:
        """The middle frames restored, (n, 3, h, w)."""
        ...


def plain_details(network: SteppedCascade, frames: Tensor,
                  num_active_stages: int | None = None) -> list[StageDetails]:
    """What ``forward_details`` computes, one triple and one pair after the other.

    Args:
        network (SteppedCascade): The network.
        frames (Tensor): (n, t, 3, h, w) RGB in [0, 1].
        num_active_stages (int, optional): Stages to run. Default: None, all.

    Returns:
        list[StageDetails]: One for each stage.
    """
    outputs = []
    clip = sources = list(frames.unbind(1))  # flow is estimated between the sources
    for _ in range(num_active_stages or network.num_stages):
        triples = [_triple(network, clip[k - 1:k + 2], sources[k - 1:k + 2])
                   for k in range(1, len(clip) - 1)]
        details = StageDetails(*(cast(Tensor, None if parts[0] is None else torch.stack(parts, 1))
                                 for parts in zip(*triples)))
        clip = list(details.restored.unbind(1))
        sources = clip if network.flow_source == 'restored' else sources[1:-1]
        outputs.append(details)
    return outputs


@torch.no_grad()
def restore_window_plainly(network: SteppedCascade, frames: Sequence[Tensor]) -> Tensor:
    """Restore the middle of a window.

    Args:
        network (SteppedCascade): The network.
        frames (Sequence[Tensor]): 2 T + 1 frames (n, 3, h, w), RGB in [0, 1].

    Returns:
        Tensor: (n, 3, h, w), not clamped.
    """
    return plain_details(network, torch.stack(list(frames), dim=1))[-1].restored[:, 0]


def _triple(network: SteppedCascade, frames: Sequence[Tensor],
            sources: Sequence[Tensor]) -> tuple[Tensor | None, ...]:
    """Restored middle frame, aligned frames, masks, flows and S of three (n, 3, h, w) frames."""
    if network.flow_estimator is None:
        aligned = network.align(frames)
    else:
        before, middle, after = frames
        flows = [_flow(network.flow_estimator, sources[1], sources[k]) for k in (0, 2)]
        (before, mask_before), (after, mask_after) = map(warp_with_mask, (before, after), flows)
        aligned = AlignedTriples(torch.stack((before, middle, after), dim=1),
                                 torch.stack((mask_before, mask_after), dim=1),
                                 torch.stack(flows, dim=1))
    sharpness = network.sharpness(aligned)
    return network.restore(aligned, sharpness), *aligned, sharpness


def _flow(estimator: FlowEstimator, reference: Tensor, neighbour: Tensor) -> Tensor:
    """(n, 2, h, w) in pixels, from the reference to the neighbour, both (n, 3, h, w)."""
    height, width = reference.shape[-2:]
    return estimator.decode(estimator.encode(reference), estimator.encode(neighbour),
                            size=(height, width))
