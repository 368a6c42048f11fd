"""Spatio-Temporal Filter Adaptive Network (STFAN).

Zhou et al., "Spatio-Temporal Filter Adaptive Network for Video Deblurring",
ICCV 2019 (arXiv 1904.12257).
"""

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from cdvd_mm.ops.filter_adaptive_conv import filter_adaptive_conv
from cdvd_mm.registry import MODELS

from .blocks import NEGATIVE_SLOPE, ResidualBlock


def _conv(in_channels: int, out_channels: int, kernel_size: int = 3,
          stride: int = 1) -> nn.Sequential:
    """Convolution with activation: every convolution of STFAN outside its residual blocks."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size, stride, kernel_size // 2),
        nn.LeakyReLU(NEGATIVE_SLOPE, inplace=True))


def _deconv(in_channels: int, out_channels: int) -> nn.Sequential:
    """Transposed convolution (x2) with activation."""
    return nn.Sequential(
        nn.ConvTranspose2d(in_channels, out_channels, 4, stride=2, padding=1),
        nn.LeakyReLU(NEGATIVE_SLOPE, inplace=True))


def _with_blocks(first: nn.Module, channels: int, num_blocks: int,
                 *last: nn.Module) -> nn.Sequential:
    blocks = [ResidualBlock(channels, negative_slope=NEGATIVE_SLOPE) for _ in range(num_blocks)]
    return nn.Sequential(first, *blocks, *last)


def _encoder(in_channels: int, mid_channels: int, num_blocks: int) -> nn.Sequential:
    """Three scales: (n, in, h, w) -> (n, 4 * mid, h / 4, w / 4)."""
    widths = (mid_channels, 2 * mid_channels, 4 * mid_channels)
    scales, previous = [], in_channels
    for scale, width in enumerate(widths):
        first = _conv(previous, width, stride=1 if scale == 0 else 2)
        scales.append(_with_blocks(first, width, num_blocks))
        previous = width
    return nn.Sequential(*scales)


@MODELS.register_module()
class STFANNet(BaseModule):
    """STFAN: a recurrent network that filters features with predicted kernels.

    Every frame is restored from itself, the previous blurred frame, the
    previous restored frame and the previous fused feature. The defaults are
    the released network (5.37 M parameters).

    Args:
        in_channels (int): Channels of a frame. Default: 3.
        mid_channels (int): Channels of the finest scale; the next two have
            twice and four times as many. Default: 32.
        num_blocks (int): Residual blocks behind each scale's convolution.
            Default: 2.
        kernel_size (int): Side of the predicted kernels, odd. Default: 5.
        init_cfg (dict, optional): Initialisation, see mmengine's BaseModule.
    """

    size_divisor = 4
    min_size = 1

    def __init__(self,
                 in_channels: int = 3,
                 mid_channels: int = 32,
                 num_blocks: int = 2,
                 kernel_size: int = 5,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg=init_cfg)
        if kernel_size % 2 == 0:
            raise ValueError(f'kernel_size must be odd, found {kernel_size}.')
        self.kernel_size = kernel_size
        width = 4 * mid_channels
        taps = width * kernel_size**2

        # kernels from (blurred, previous blurred, previous restored)
        self.kernel_encoder = _encoder(3 * in_channels, mid_channels, num_blocks)
        self.warp_kernels = _with_blocks(
            _conv(width, width), width, num_blocks, _conv(width, taps, kernel_size=1))
        self.warp_embedding = _conv(taps, width, kernel_size=1)
        self.deblur_kernels = _with_blocks(
            _conv(2 * width, width), width, num_blocks, _conv(width, taps, kernel_size=1))

        # what they filter
        self.frame_encoder = _encoder(in_channels, mid_channels, num_blocks)
        self.fused_projection = nn.Conv2d(2 * width, width, 3, 1, 1)
        self.fused_activation = nn.LeakyReLU(NEGATIVE_SLOPE, inplace=True)

        self.decoder = nn.Sequential(
            _with_blocks(_deconv(2 * width, 2 * mid_channels), 2 * mid_channels, num_blocks),
            _with_blocks(_deconv(2 * mid_channels, mid_channels), mid_channels, num_blocks),
            _conv(mid_channels, in_channels))

    def step(self,
             blurred: Tensor,
             previous_blurred: Tensor | None = None,
             previous_restored: Tensor | None = None,
             previous_fused: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Restore one frame.

        At the start of a video the three previous tensors are None: the frame
        itself stands in for both previous frames and its feature, twice, for
        the fused one.

        Args:
            blurred (Tensor): Frame t (n, c, h, w), RGB in [0, 1].
            previous_blurred (Tensor, optional): Frame t - 1, blurred.
            previous_restored (Tensor, optional): Frame t - 1, restored and
                clamped to [0, 1].
            previous_fused (Tensor, optional): Feature of the step before
                (n, 8 * mid_channels, h / 4, w / 4).

        Returns:
            tuple[Tensor, Tensor]: The restored frame (n, c, h, w), not
            clamped, and the fused feature to hand to the next step.
        """
        previous_blurred = blurred if previous_blurred is None else previous_blurred
        previous_restored = blurred if previous_restored is None else previous_restored

        # (n, 9, h, w) -> (n, 4 m, h / 4, w / 4)
        motion = self.kernel_encoder(
            torch.cat((blurred, previous_blurred, previous_restored), dim=1))
        warp_kernels = self.warp_kernels(motion)  # (n, 4 m * k * k, h / 4, w / 4)
        deblur_kernels = self.deblur_kernels(
            torch.cat((motion, self.warp_embedding(warp_kernels)), dim=1))

        feature = self.frame_encoder(blurred)  # (n, 4 m, h / 4, w / 4)
        if previous_fused is None:
            previous_fused = torch.cat((feature, feature), dim=1)
        previous = self.fused_activation(self.fused_projection(previous_fused))

        fused = torch.cat((filter_adaptive_conv(feature, deblur_kernels, self.kernel_size),
                           filter_adaptive_conv(previous, warp_kernels, self.kernel_size)), dim=1)
        return self.decoder(fused) + blurred, fused

    def forward(self, frames: Tensor, detach_every: int | None = None) -> Tensor:
        """Restore all frames of a video, in order.

        Args:
            frames (Tensor): Blurred frames (n, t, c, h, w), RGB in [0, 1]; h
                and w are multiples of 4.
            detach_every (int, optional): Cut the graph after this many frames
                (truncated back-propagation). Default: None, never.

        Returns:
            Tensor: Restored frames (n, t, c, h, w), not clamped.

        Raises:
            ValueError: If the frames are not five-dimensional or their sides
                are no multiples of 4.
        """
        if frames.dim() != 5:
            raise ValueError('STFANNet takes frames (n, t, c, h, w), found a tensor of shape '
                             f'{tuple(frames.shape)}.')
        h, w = frames.shape[-2:]
        if h % self.size_divisor or w % self.size_divisor:
            raise ValueError(f'STFANNet takes heights and widths that are multiples of '
                             f'{self.size_divisor}, found {h}x{w}; pad the frames first.')
        outputs = []
        previous_blurred = previous_restored = fused = None
        for index, blurred in enumerate(frames.unbind(dim=1)):
            restored, fused = self.step(blurred, previous_blurred, previous_restored, fused)
            outputs.append(restored)
            previous_blurred, previous_restored = blurred, restored.clamp(0, 1)
            if detach_every and (index + 1) % detach_every == 0:
                previous_restored, fused = previous_restored.detach(), fused.detach()
        return torch.stack(outputs, dim=1)
