"""CDVD-TSPNL: the cascaded deblurring network with a non-local part (TPAMI 2023)."""

from typing import Any

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from cdvd_mm.ops import flow_warp, pad_to_multiple, sliced_attention
from cdvd_mm.registry import MODELS

from .blocks import NEGATIVE_SLOPE, ReconstructionNet, ResidualBlock

INIT_SCALE = 0.1
SPYNET_ESTIMATOR = {'type': 'cdvd_mm.SpyNetEstimator'}
RELEASED_PRIOR = {'type': 'cdvd_mm.TemporalSharpnessPrior'}


class PatchAttention(nn.Module):
    """Attention of every patch of a clip to all patches of all its frames, plus the input.

    One head, no position, no normalisation. A token is a whole patch, c p^2
    numbers. The patches lie side by side from the upper left corner; what is
    left over at the right and lower edge gets no attention, and zeros in its
    place.

    Args:
        channels (int): c.
        patch_size (int): p.
    """

    def __init__(self, channels: int, patch_size: int = 8) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.to_query = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.to_key = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.to_value = nn.Conv2d(channels, channels, 3, padding=1)
        self.projection = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map the features of a clip (n, t, c, h, w) to (n, t, c, h, w)."""
        n, t, c, h, w = x.shape
        frames = x.flatten(0, 1)
        query, key, value = (self._to_tokens(conv(frames), n)
                             for conv in (self.to_query, self.to_key, self.to_value))
        mixed = sliced_attention(query, key, value, scale=(c * self.patch_size**2)**-0.5)
        del query, key, value
        mixed = self._to_frames(mixed, (n * t, c, h, w))
        return x + self.projection(mixed).view_as(x)

    def _to_tokens(self, x: Tensor, n: int) -> Tensor:
        """(n t, c, h, w) -> (n, t (h/p) (w/p), c p^2)."""
        p = self.patch_size
        rows, columns = x.shape[-2] // p, x.shape[-1] // p
        patches = x[..., :rows * p, :columns * p].reshape(n, -1, x.shape[1], rows, p, columns, p)
        return patches.permute(0, 1, 3, 5, 2, 4, 6).reshape(n, -1, x.shape[1] * p * p)

    def _to_frames(self, tokens: Tensor, shape: tuple[int, int, int, int]) -> Tensor:
        """Undo :meth:`_to_tokens`; ``shape`` is that of its input."""
        p = self.patch_size
        rows, columns = shape[-2] // p, shape[-1] // p
        patches = tokens.reshape(shape[0], rows, columns, shape[1], p, p)
        frames = patches.permute(0, 3, 1, 4, 2, 5).reshape(*shape[:2], rows * p, columns * p)
        return F.pad(frames, (0, shape[-1] - columns * p, 0, shape[-2] - rows * p))


class NonLocalPart(nn.Module):
    """Features of a clip, plus what attention at half size finds in all its frames.

    Args:
        channels (int): of the features.
        patch_size (int): see :class:`PatchAttention`, pixels at half size.
    """

    def __init__(self, channels: int, patch_size: int = 8) -> None:
        super().__init__()
        self.downsample = nn.Conv3d(channels, channels, 3, stride=(1, 2, 2), padding=1)
        self.attention = PatchAttention(channels, patch_size)
        self.upsample = nn.ConvTranspose3d(channels, channels, (3, 4, 4), stride=(1, 2, 2),
                                           padding=1)

    def forward(self, features: Tensor) -> Tensor:
        """Map (n, t, c, h, w), h and w even, to (n, t, c, h, w)."""
        half = self.downsample(features.transpose(1, 2)).transpose(1, 2)  # (n, t, c, h/2, w/2)
        half = self.attention(half.contiguous())
        return features + self.upsample(half.transpose(1, 2)).transpose(1, 2)


class Propagation(nn.Module):
    """A step along the frames: the state, aligned to the frame, and the frame's features.

    Args:
        channels (int): of features and state.
        num_blocks (int): residual blocks.
    """

    def __init__(self, channels: int, num_blocks: int) -> None:
        super().__init__()
        self.merge = nn.Conv2d(2 * channels, channels, 1)
        self.blocks = nn.Sequential(
            *(ResidualBlock(channels, init_scale=INIT_SCALE) for _ in range(num_blocks)))

    def forward(self, features: Tensor, aligned: Tensor | None) -> Tensor:
        """Advance to a frame.

        Args:
            features (Tensor): of the frame, (n, c, h, w).
            aligned (Tensor, optional): state of the frame before, warped to
                this one, (n, c, h, w). None: zeros, at the first frame.

        Returns:
            Tensor: (n, c, h, w), the frame's state.
        """
        aligned = torch.zeros_like(features) if aligned is None else aligned
        merged = self.merge(torch.cat((features, aligned), dim=1))
        return self.blocks(F.leaky_relu(merged, NEGATIVE_SLOPE))


@MODELS.register_module()
class CDVDNetNL(BaseModule):
    """Cascaded deblurring of a clip with sharpness prior and non-local part: t frames to t frames.

    A run gives every frame features that have seen, by attention, all frames
    of the clip; passes them backward and forward along the flow; weighs where
    the aligned neighbours agree (the temporal sharpness prior, on features);
    and adds what an encoder-decoder makes of all this to its input. The next
    run does the same to the results, with the same parameters and a new flow.

    Pan, Xu, Bai, Dong, Tang: Cascaded Deep Video Deblurring Using Temporal
    Sharpness Prior and Non-local Spatial-Temporal Similarity, TPAMI 2023. The
    defaults give the released network, 5,498,095 parameters; ``num_runs``,
    ``with_non_local`` and ``prior`` are its ablations.

    Without gradients a clip needs 3 feature maps a frame (features, the
    downsampling's and the upsampling's copies, then the backward states); the
    rest is computed frame by frame.

    Args:
        mid_channels (int): channels of the features.
        num_blocks (int): residual blocks of the extractor and of each
            direction.
        num_reconstruction_blocks (int): residual blocks in each of the six
            parts of the encoder-decoder.
        num_runs (int): how often the network runs, at least 1.
        with_non_local (bool): with the attention.
        patch_size (int): side of the attention's patches at half size.
        flow_estimator (dict, optional): config of the flow estimator. None:
            neighbours are taken as they are.
        prior (dict, optional): config of the sharpness prior. None: without.
        init_cfg (dict, optional): initialisation, see mmengine's BaseModule.

    Raises:
        ValueError: ``num_runs`` below 1.
    """

    size_divisor = 4
    """Height and width are padded to multiples of this."""

    min_size = 16
    """Height and width are padded to this at least: one patch of the attention."""

    context = 0
    """Frames at either end of a clip that are not restored."""

    min_frames = 1
    """Frames that a clip must have."""

    bytes_per_pixel = 600
    """Memory of a clip, see :class:`~cdvd_mm.models.protocols.KnowsItsMemory`."""

    def __init__(self,
                 mid_channels: int = 64,
                 num_blocks: int = 3,
                 num_reconstruction_blocks: int = 1,
                 num_runs: int = 2,
                 with_non_local: bool = True,
                 patch_size: int = 8,
                 flow_estimator: dict | None = SPYNET_ESTIMATOR,
                 prior: dict | None = RELEASED_PRIOR,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg=init_cfg)
        if num_runs < 1:
            raise ValueError(f'num_runs must be 1 or more, not {num_runs}')
        self.num_runs = num_runs
        self.flow_estimator: Any = None if flow_estimator is None else MODELS.build(flow_estimator)
        self.prior: Any = None if prior is None else MODELS.build(prior)
        self.extractor = nn.Sequential(
            nn.Conv2d(3, mid_channels, 3, padding=1),
            *(ResidualBlock(mid_channels) for _ in range(num_blocks)))
        self.non_local = NonLocalPart(mid_channels, patch_size) if with_non_local else None
        self.backward_propagation = Propagation(mid_channels, num_blocks)
        self.forward_propagation = Propagation(mid_channels, num_blocks)
        self.fusion = nn.Conv2d(2 * mid_channels + (self.prior is not None), mid_channels, 1)
        self.reconstruction = ReconstructionNet(
            in_channels=mid_channels,
            channels=(mid_channels, mid_channels, 2 * mid_channels),
            num_blocks=num_reconstruction_blocks,
            negative_slope=NEGATIVE_SLOPE,
            init_scale=INIT_SCALE)

    def forward(self, frames: Tensor) -> Tensor:
        """Restore a clip.

        Args:
            frames (Tensor): (n, t, 3, h, w) RGB in [0, 1]; any size and
                length, 10 frames in training.

        Returns:
            Tensor: (n, t, 3, h, w) RGB, not clamped.

        Raises:
            ValueError: another shape.
        """
        return self.forward_runs(frames)[-1]

    def forward_runs(self, frames: Tensor) -> list[Tensor]:
        """As :meth:`forward`, but the results of every run."""
        if frames.ndim != 5 or frames.shape[2] != 3:
            raise ValueError(f'CDVDNetNL takes RGB clips (n, t, 3, h, w), not '
                             f'{tuple(frames.shape)}')
        height, width = frames.shape[-2:]
        restored = pad_to_multiple(frames, self.size_divisor, self.min_size)
        outputs = []
        for _ in range(self.num_runs):
            restored = self._run(restored)
            outputs.append(restored[..., :height, :width])
        return outputs

    def _run(self, frames: Tensor) -> Tensor:
        """(n, t, 3, h, w) -> (n, t, 3, h, w)."""
        features = self._extract(frames)
        to_next, to_previous = self._flows(frames)
        length = len(features)

        backward: list[Any] = [None] * length  # a state, or None where there is none now
        for i in reversed(range(length)):
            aligned = None if i == length - 1 else _warp(backward[i + 1], to_next[i])
            backward[i] = self.backward_propagation(features[i], aligned)

        state: Any = None
        restored = []
        for i in range(length):
            left = None if i == 0 else _warp(state, to_previous[i - 1])
            state = self.forward_propagation(features[i], left)
            parts = [backward[i], state]
            if self.prior is not None:
                with torch.no_grad():
                    right = None if i == length - 1 else _warp(backward[i + 1], to_next[i])
                    parts.append(self._sharpness(features[i], left, right))
            fused = F.leaky_relu(self.fusion(torch.cat(parts, dim=1)), NEGATIVE_SLOPE)
            restored.append(self.reconstruction(fused) + frames[:, i])
            backward[i] = None  # done with, or kept by the gradients
        return torch.stack(restored, dim=1)

    def _extract(self, frames: Tensor) -> list[Tensor]:
        """Features of every frame: t times (n, c, h, w)."""
        features = torch.stack([self.extractor(frame) for frame in frames.unbind(1)], dim=1)
        if self.non_local is not None:
            features = self.non_local(features)
        return list(features.unbind(1))

    def _flows(self, frames: Tensor) -> tuple[list[Tensor | None], list[Tensor | None]]:
        """Flow from every frame to the next, and from the next to it: t - 1 times (n, 2, h, w)."""
        if self.flow_estimator is None:
            still: list[Tensor | None] = [None] * (frames.shape[1] - 1)
            return still, still
        size = tuple(frames.shape[-2:])
        encoded = [self.flow_estimator.encode(frame) for frame in frames.unbind(1)]
        pairs = list(zip(encoded, encoded[1:]))
        return ([self.flow_estimator.decode(frame, following, size) for frame, following in pairs],
                [self.flow_estimator.decode(following, frame, size) for frame, following in pairs])

    def _sharpness(self, features: Tensor, left: Tensor | None, right: Tensor | None) -> Tensor:
        """S (n, 1, h, w) of a frame; a neighbour that is missing agrees with it."""
        neighbours = [features if aligned is None else aligned for aligned in (left, right)]
        triple = torch.stack((neighbours[0], features, neighbours[1]), dim=1)  # (n, 3, c, h, w)
        return self.prior(triple).to(features.dtype)


def _warp(state: Tensor, flow: Tensor | None) -> Tensor:
    return state if flow is None else flow_warp(state, flow, padding_mode='zeros')
