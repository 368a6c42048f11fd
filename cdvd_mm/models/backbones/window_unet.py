"""A small U-Net that restores the middle frame of a window, or of a triple, at half size."""

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from cdvd_mm.registry import MODELS

from .blocks import ResidualBlock

DETAIL_SCALE = 5.0
"""Brings detail to about the size of 1."""

OUTPUT_SCALE = 0.1
"""Residuals are that small; a step of the optimiser then changes them little."""


def _blocks(channels: int, count: int) -> nn.Sequential:
    """Residual blocks whose second convolution starts at zero.

    One that is added to a trained network changes nothing at first.
    """
    blocks = [ResidualBlock(channels) for _ in range(count)]
    for block in blocks:
        _set_to_zero(block.conv2)
    return nn.Sequential(*blocks)


def _set_to_zero(layer: nn.Module) -> None:
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)


@MODELS.register_module()
class WindowUNet(BaseModule):
    """Restores the middle of ``num_frames`` frames without flow, at half size and below.

    The frames are rearranged to half size (every 2x2 square becomes channels), go through an
    encoder and a decoder of 3x3 convolutions with skips that are added, and the result is added to
    the middle frame. The last convolution starts at zero, so the network starts as the identity.

    Args:
        num_frames (int): Frames of a window, odd. Default: 5.
        channels (Sequence[int]): Channels at 1/2, 1/4, 1/8 ... of the size. Default: (48, 96, 160).
        encoder_blocks (Sequence[int]): Residual blocks at each of these sizes on the way down,
            the coarsest included. Default: (1, 1, 2).
        decoder_blocks (Sequence[int]): Residual blocks on the way up, listed from the finest size
            to the last but one. Default: (1, 1).
        extra_channels (int): Channels of what ``forward`` gets besides the frames. Default: 0.
        init_cfg (dict, optional): Initialisation, see mmengine's BaseModule.

    Raises:
        ValueError: An even number of frames, or numbers of blocks that do not fit ``channels``.
    """

    min_size = 1
    bfloat16_difference = 0.002

    def __init__(self,
                 num_frames: int = 5,
                 channels: tuple[int, ...] = (48, 96, 160),
                 encoder_blocks: tuple[int, ...] = (1, 1, 2),
                 decoder_blocks: tuple[int, ...] = (1, 1),
                 extra_channels: int = 0,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg=init_cfg)
        if num_frames % 2 == 0:
            raise ValueError(f'num_frames must be odd, found {num_frames}.')
        if len(encoder_blocks) != len(channels) or len(decoder_blocks) != len(channels) - 1:
            raise ValueError(
                f'{len(channels)} sizes take {len(channels)} numbers of encoder blocks and '
                f'{len(channels) - 1} of decoder blocks, found {len(encoder_blocks)} and '
                f'{len(decoder_blocks)}.')
        self.num_frames = num_frames
        self.size_divisor = 2 ** len(channels)
        # detail of every frame, and the middle frame's brightness
        self.conv_first = nn.Conv2d(
            num_frames * 12 + 3 + 4 * extra_channels, channels[0], 3, 1, 1)
        self.encoders = nn.ModuleList(map(_blocks, channels, encoder_blocks))
        self.downs = nn.ModuleList(
            nn.Conv2d(fine, coarse, 2, 2) for fine, coarse in zip(channels, channels[1:]))
        self.ups = nn.ModuleList(
            nn.Conv2d(coarse, 4 * fine, 1) for fine, coarse in zip(channels, channels[1:]))
        self.decoders = nn.ModuleList(map(_blocks, channels, decoder_blocks))
        self.conv_last = nn.Conv2d(channels[0], 12, 3, 1, 1)
        _set_to_zero(self.conv_last)

    def forward(self, frames: Tensor, extra: Tensor | None = None) -> Tensor:
        """Restore the middle frame of a window.

        Args:
            frames (Tensor): Blurred frames (n, t, 3, h, w), RGB in [0, 1]; t is ``num_frames``, h
                and w are multiples of ``size_divisor``.
            extra (Tensor, optional): (n, extra_channels, h, w). Default: None.

        Returns:
            Tensor: Restored middle frame (n, 3, h, w), not clamped.

        Raises:
            ValueError: The number of frames or their size does not fit.
        """
        if frames.dim() != 5 or frames.shape[1] != self.num_frames:
            raise ValueError(f'WindowUNet takes frames (n, {self.num_frames}, 3, h, w), found a '
                             f'tensor of shape {tuple(frames.shape)}.')
        if frames.shape[-2] % self.size_divisor or frames.shape[-1] % self.size_divisor:
            raise ValueError(f'WindowUNet takes heights and widths that are multiples of '
                             f'{self.size_divisor}, found {frames.shape[-2]}x{frames.shape[-1]}; '
                             'pad the frames first.')
        middle = frames[:, self.num_frames // 2]
        x = _rearranged(frames, middle)
        if extra is not None:
            x = torch.cat((x, F.pixel_unshuffle(extra, 2)), dim=1)
        x = x.contiguous(memory_format=torch.channels_last)
        x = torch.relu(self.conv_first(x))  # (n, c, h / 2, w / 2)
        skips = []
        for level, encoder in enumerate(self.encoders):
            x = encoder(x)
            if level < len(self.downs):
                skips.append(x)
                x = self.downs[level](x)  # half the size
        for level in reversed(range(len(self.ups))):
            x = skips[level] + F.pixel_shuffle(self.ups[level](x), 2)  # twice the size
            x = self.decoders[level](x)
        return middle + OUTPUT_SCALE * F.pixel_shuffle(self.conv_last(x), 2)  # (n, 3, h, w)


@MODELS.register_module()
class TripleUNet(WindowUNet):
    """The same for three aligned frames and S: ``CDVDNet(reconstruction=dict(type='TripleUNet'))``.

    Args:
        in_channels (int): 9, or 10 with S.
        **kwargs: Of :class:`WindowUNet`.
    """

    def __init__(self, in_channels: int = 10, **kwargs) -> None:
        super().__init__(num_frames=3, extra_channels=in_channels - 9, **kwargs)

    def forward(self, inputs: Tensor) -> Tensor:  # type: ignore[override]
        """Restore the middle of three frames.

        Args:
            inputs (Tensor): (n, in_channels, h, w): previous, middle and next frame, RGB in
                [0, 1], the outer ones warped to the middle one, and S.

        Returns:
            Tensor: Restored middle frame (n, 3, h, w), not clamped.
        """
        extra = inputs[:, 9:] if inputs.shape[1] > 9 else None
        return super().forward(inputs[:, :9].unflatten(1, (3, 3)), extra)


def _rearranged(frames: Tensor, middle: Tensor) -> Tensor:
    """Detail of all frames and the middle frame's local brightness, (n, 12 t + 3, h / 2, w / 2).

    Detail is what differs from a smooth local mean of the middle frame. As it is small, little of
    it is lost where convolutions compute with 8 bits of precision, and the optimiser need not find
    it under the brightness: a network given the frames themselves learned nothing in 500 steps.
    """
    mean = F.avg_pool2d(F.avg_pool2d(middle, 4), 3, 1, 1, count_include_pad=False)
    smooth = F.interpolate(mean, scale_factor=4, mode='bilinear', align_corners=False)
    detail = (frames - smooth[:, None]).flatten(1, 2) * DETAIL_SCALE
    brightness = F.interpolate(mean, scale_factor=2, mode='bilinear', align_corners=False)
    return torch.cat((F.pixel_unshuffle(detail, 2), brightness - 0.5), dim=1)
