"""DSTNet+: discriminative spatial and temporal network for video deblurring.

Pan et al., "Learning Efficient Deep Discriminative Spatial and Temporal
Networks for Video Deblurring", TPAMI 2025.
"""

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from cdvd_mm.ops import filter_adaptive_conv, pad_to_multiple
from cdvd_mm.registry import MODELS

from .blocks import NEGATIVE_SLOPE, ResidualBlock

#: The 2x2 Haar filters, rows one after the other: mean, then the details whose
#: right column, lower row and off-diagonal count negatively.
HAAR = ((1., 1., 1., 1.), (1., -1., 1., -1.), (1., 1., -1., -1.), (1., -1., -1., 1.))
KERNEL_SIZE = 3
INIT_SCALE = 0.1


def _residual_blocks(channels: int, num_blocks: int,
                     init_scale: float | None = None) -> nn.Sequential:
    return nn.Sequential(*(
        ResidualBlock(channels, negative_slope=NEGATIVE_SLOPE, init_scale=init_scale)
        for _ in range(num_blocks)))


class HaarTransform(nn.Module):
    """Haar analysis and synthesis of every channel; the filters are stored and never learned.

    Args:
        channels (int): Channels C that are transformed.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        filters = torch.tensor(HAAR).view(4, 1, 2, 2).repeat(channels, 1, 1, 1)
        self.filters = nn.Parameter(filters, requires_grad=False)  # (4 C, 1, 2, 2)

    def analyse(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Split features into a low band and three details of half the size.

        Args:
            x (Tensor): (n, C, h, w), h and w even.

        Returns:
            tuple[Tensor, Tensor]: (n, C, h / 2, w / 2), the mean of four, and
            (n, 3 C, h / 2, w / 2), one detail of all channels after the other.
        """
        bands = F.conv2d(x, self.filters / 4, stride=2, groups=self.channels)
        bands = bands.unflatten(1, (self.channels, 4))  # (n, C, 4, h / 2, w / 2)
        return bands[:, :, 0].contiguous(), bands[:, :, 1:].transpose(1, 2).flatten(1, 2)

    def synthesise(self, low: Tensor, details: Tensor) -> Tensor:
        """Undo :meth:`analyse`: (n, C, h, w) and (n, 3 C, h, w) to (n, C, 2 h, 2 w)."""
        details = details.unflatten(1, (3, self.channels)).transpose(1, 2)
        bands = torch.cat((low.unsqueeze(2), details), dim=2).flatten(1, 2)  # (n, 4 C, h, w)
        return F.conv_transpose2d(bands, self.filters, stride=2, groups=self.channels)


class GatedFusion(nn.Module):
    """Lets the state in where it agrees with the frame's features.

    Args:
        channels (int): Channels of features and state.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query_key = nn.Conv2d(2 * channels, 2 * channels, 1)
        self.conv = nn.Conv2d(channels, channels, 3, 1, 1)

    def forward(self, x: Tensor, state: Tensor) -> Tensor:
        """Fuse two (n, c, h, w) into one."""
        query, key = self.query_key(torch.cat((x, state), dim=1)).chunk(2, dim=1)
        gate = torch.sigmoid(query * key)
        return self.conv(torch.lerp(x, state, gate))  # x (1 - gate) + state gate


class DynamicFilter(nn.Module):
    """Filters every pixel of every channel with a 3x3 kernel predicted from a pyramid.

    Args:
        channels (int): Channels C of the features.
        num_blocks (int): Residual blocks K of each level.
    """

    def __init__(self, channels: int, num_blocks: int) -> None:
        super().__init__()
        self.levels = nn.ModuleList(
            _residual_blocks(channels, num_blocks) for _ in range(3))
        self.to_kernels = nn.Conv2d(3 * channels, channels * KERNEL_SIZE**2, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, C, h, w) to the same; h and w at least 8."""
        kernels = self.to_kernels(self._pyramid(x))  # (n, 9 C, h, w)
        return filter_adaptive_conv(x, kernels, KERNEL_SIZE, padding_mode='zeros')

    def _pyramid(self, x: Tensor) -> Tensor:
        """The three levels at full size, one after the other: (n, 3 C, h, w)."""
        level, resized = x, []
        for blocks in self.levels:
            half = (level.shape[-2] // 2, level.shape[-1] // 2)
            # not max_pool2d: at odd sizes these windows overlap
            level = blocks(F.adaptive_max_pool2d(level, half))
            resized.append(F.interpolate(level, x.shape[-2:], mode='bilinear',
                                         align_corners=False))
        return torch.cat(resized, dim=1)


class PropagationStep(nn.Module):
    """One step along the frames: fusion with the state, dynamic filter, residual blocks.

    Args:
        channels (int): Channels of features and state.
        num_filter_blocks (int): Residual blocks of each of the filter's levels.
        num_blocks (int): Residual blocks at the end.
    """

    def __init__(self, channels: int, num_filter_blocks: int, num_blocks: int) -> None:
        super().__init__()
        self.fusion = GatedFusion(channels)
        self.filter = DynamicFilter(channels, num_filter_blocks)
        self.blocks = _residual_blocks(channels, num_blocks, INIT_SCALE)

    def forward(self, x: Tensor, state: Tensor | None = None) -> Tensor:
        """Advance by one frame.

        Args:
            x (Tensor): The frame's features (n, c, h, w).
            state (Tensor, optional): What the step of the frame before gave.
                Default: None, zeros.

        Returns:
            Tensor: (n, c, h, w): the frame's new features and the next state.
        """
        state = torch.zeros_like(x) if state is None else state
        return self.blocks(self.filter(self.fusion(x, state)))


@MODELS.register_module()
class DSTNetPlus(BaseModule):
    """DSTNet+: the low Haar band goes back and forth through the clip, no flow.

    The defaults are the base form (3,903,811 parameters, 1,024 of them the
    fixed Haar filters). ``mid_channels, num_filter_blocks, num_blocks`` of
    (96, 5, 25) are DSTNet+L (14,088,675), (48, 2, 10) and (32, 2, 8) its small
    forms (1.53 M, 0.61 M).

    Without gradients the details of a frame are computed when it is put
    together, so that a clip keeps one low band a frame (a quarter of the
    features).

    Args:
        in_channels (int): Channels of a frame. Default: 3.
        mid_channels (int): Channels C of the features. Default: 64.
        num_filter_blocks (int): Residual blocks K of each of the three levels
            that the per-pixel kernels come from. Default: 3.
        num_blocks (int): Residual blocks N at the end of a step. Default: 15.
        init_cfg (dict, optional): Initialisation, see mmengine's BaseModule.
    """

    size_divisor = 2
    min_size = 16
    context = 0
    min_frames = 1
    bytes_per_pixel = 80

    def __init__(self,
                 in_channels: int = 3,
                 mid_channels: int = 64,
                 num_filter_blocks: int = 3,
                 num_blocks: int = 15,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg=init_cfg)
        self.feat_extract = nn.Conv2d(in_channels, mid_channels, 3, 1, 1)
        self.haar = HaarTransform(mid_channels)
        self.detail_convs = nn.Sequential(
            nn.Conv2d(3 * mid_channels, 3 * mid_channels, 1, groups=3),
            nn.LeakyReLU(NEGATIVE_SLOPE, inplace=True),
            nn.Conv2d(3 * mid_channels, 3 * mid_channels, 1, groups=3))
        self.backward_step = PropagationStep(mid_channels, num_filter_blocks, num_blocks)
        self.forward_step = PropagationStep(mid_channels, num_filter_blocks, num_blocks)
        self.reconstruction = nn.Conv2d(mid_channels, in_channels, 3, 1, 1)

    def analyse(self, frame: Tensor) -> tuple[Tensor, Tensor]:
        """Haar bands of a frame's features.

        Args:
            frame (Tensor): (n, c, h, w), RGB in [0, 1]; h and w even.

        Returns:
            tuple[Tensor, Tensor]: Low band (n, C, h / 2, w / 2) and details
            (n, 3 C, h / 2, w / 2).
        """
        return self.haar.analyse(self.feat_extract(frame))

    def synthesise(self, frame: Tensor, low: Tensor, details: Tensor) -> Tensor:
        """Put a restored frame together.

        Args:
            frame (Tensor): Blurred frame (n, c, h, w), RGB in [0, 1].
            low (Tensor): Its low band after both propagations.
            details (Tensor): Its details as :meth:`analyse` gave them.

        Returns:
            Tensor: (n, c, h, w), not clamped.
        """
        features = self.haar.synthesise(low, self.detail_convs(details))  # (n, C, h, w)
        return self.reconstruction(features) + frame

    def forward(self, frames: Tensor) -> Tensor:
        """Restore all frames of a clip.

        Args:
            frames (Tensor): Blurred frames (n, t, c, h, w), RGB in [0, 1], of
                any size and number; h and w are padded to even numbers of at
                least 16.

        Returns:
            Tensor: Restored frames (n, t, c, h, w), not clamped.

        Raises:
            ValueError: If the frames are not five-dimensional.
        """
        if frames.dim() != 5:
            raise ValueError('DSTNetPlus takes frames (n, t, c, h, w), found a tensor of shape '
                             f'{tuple(frames.shape)}.')
        height, width = frames.shape[-2:]
        clip = pad_to_multiple(frames, self.size_divisor, self.min_size).unbind(1)
        keep_details = torch.is_grad_enabled()

        lows: list[Tensor] = []
        details: list[Tensor] = []
        for frame in clip:
            low, detail = self.analyse(frame)
            lows.append(low)
            if keep_details:
                details.append(detail)

        states: list[Tensor] = []  # the last frame's first
        while lows:
            states.append(self.backward_step(lows.pop(), states[-1] if states else None))

        restored: list[Tensor] = []
        state = None
        for index, frame in enumerate(clip):
            state = self.forward_step(states.pop(), state)
            detail = details[index] if keep_details else self.analyse(frame)[1]
            restored.append(self.synthesise(frame, state, detail)[..., :height, :width])
        return torch.stack(restored, dim=1)
