"""ESTRNN: efficient spatio-temporal recurrent network for video deblurring.

Zhong, Gao, Zheng, Zheng: Efficient Spatio-Temporal Recurrent Neural Network for
Video Deblurring, ECCV 2020.
"""

import collections
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from cdvd_mm.ops import pad_to_multiple
from cdvd_mm.registry import MODELS


class ResidualDenseBlock(nn.Module):
    """Convolutions that each see the input and all outputs before theirs; GELU, zero padding.

    Args:
        channels (int): of input and output.
        growth (int): channels that each 3x3 convolution adds.
        num_layers (int): 3x3 convolutions.
    """

    def __init__(self, channels: int, growth: int, num_layers: int = 3) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv2d(channels + index * growth, growth, 3, padding=1)
            for index in range(num_layers))
        self.fuse = nn.Conv2d(channels + num_layers * growth, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, c, h, w) to (n, c, h, w)."""
        features = x
        for conv in self.convs:
            features = torch.cat((features, F.gelu(conv(features))), dim=1)
        return self.fuse(features) + x


class DenseBlocks(nn.Module):
    """A chain of residual dense blocks whose outputs are all fused.

    Args:
        channels (int): of input and output.
        growth (int): of the blocks.
        num_blocks (int): their number.
    """

    def __init__(self, channels: int, growth: int, num_blocks: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            ResidualDenseBlock(channels, growth) for _ in range(num_blocks))
        self.fuse = nn.Sequential(
            nn.Conv2d(num_blocks * channels, channels, 1),
            nn.Conv2d(channels, channels, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, c, h, w) to (n, c, h, w)."""
        outputs = []
        for block in self.blocks:
            x = block(x)
            outputs.append(x)
        return self.fuse(torch.cat(outputs, dim=1))


class RecurrentCell(nn.Module):
    """A step in time: features of a frame at a quarter of its size, from it and the state.

    Args:
        mid_channels (int): c, of the state.
        num_blocks (int): dense blocks behind the encoder.
    """

    def __init__(self, mid_channels: int, num_blocks: int) -> None:
        super().__init__()
        c = mid_channels

        def halve(channels: int, growth: int) -> nn.Sequential:
            return nn.Sequential(ResidualDenseBlock(channels, growth),
                                 nn.Conv2d(channels, 2 * channels, 5, stride=2, padding=2))

        self.encoder = nn.Sequential(
            nn.Conv2d(3, c, 5, padding=2), halve(c, c), halve(2 * c, 3 * c // 2))
        self.dense_blocks = DenseBlocks(5 * c, 2 * c, num_blocks)
        self.to_state = nn.Sequential(
            nn.Conv2d(5 * c, c, 3, padding=1), ResidualDenseBlock(c, c),
            nn.Conv2d(c, c, 3, padding=1))

    def forward(self, frame: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Advance by a frame.

        Args:
            frame (Tensor): (n, 3, h, w), centred.
            state (Tensor, optional): of the step before. None: zeros.

        Returns:
            tuple[Tensor, Tensor]: features (n, 5 c, h / 4, w / 4) and the next
            state (n, c, h / 4, w / 4).
        """
        encoded = self.encoder(frame)  # (n, 4 c, h / 4, w / 4)
        if state is None:
            n, channels, h, w = encoded.shape
            state = encoded.new_zeros(n, channels // 4, h, w)
        features = self.dense_blocks(torch.cat((encoded, state), dim=1))
        return features, self.to_state(features)


class GlobalSpatioTemporalAttention(nn.Module):
    """Takes from the neighbours' features what is of use to the middle frame.

    Each neighbour is weighed channel by channel, by what it and the middle
    frame are like on average; the weights are the same for all of them.

    Args:
        channels (int): c, of a frame's features.
        num_frames (int): of a window, odd.
    """

    def __init__(self, channels: int, num_frames: int) -> None:
        super().__init__()
        c = channels
        self.gate = nn.Sequential(
            nn.Linear(2 * c, 4 * c), nn.GELU(), nn.Linear(4 * c, 2 * c), nn.Sigmoid())
        self.body = nn.Sequential(nn.Conv2d(2 * c, 4 * c, 1), nn.Conv2d(4 * c, 2 * c, 1))
        self.condense = nn.Conv2d(2 * c, c, 1)
        self.fuse = nn.Conv2d(num_frames * c, num_frames * c, 1)

    def forward(self, window: Sequence[Tensor]) -> Tensor:
        """Map features of num_frames frames, each (n, c, h, w), to (n, num_frames * c, h, w)."""
        middle = len(window) // 2
        reference = window[middle]
        gathered = []
        for neighbour in (*window[:middle], *window[middle + 1:]):
            pair = torch.cat((reference, neighbour), dim=1)  # (n, 2 c, h, w)
            gate = self.gate(pair.mean(dim=(2, 3)))[..., None, None]
            gathered.append(self.condense(gate * self.body(pair)))
        return self.fuse(torch.cat((*gathered, reference), dim=1))


@MODELS.register_module()
class ESTRNNNet(BaseModule):
    """ESTRNN: a small recurrent network that also sees two frames of the future.

    A cell of dense blocks goes through the frames in time; a frame is restored
    from the features of itself and of ``context`` frames on either side. Only
    the cell's state lasts, so a video may be fed frame by frame
    (:meth:`encode`, then :meth:`restore` of every window). The defaults are
    the released "C80B15", 2,467,931 parameters.

    Args:
        mid_channels (int): c, channels of the state; a frame's features have
            five times as many.
        num_blocks (int): dense blocks of the cell.
        context (int): frames of the past, and of the future, that a frame is
            restored from. ``forward`` restores all frames but so many at
            either end.
        shift (float): what the network's own zero is in [0, 1]: subtracted
            from the frames, added to the result. The authors centre them, 0.5.
        init_cfg (dict, optional): initialisation, see mmengine's BaseModule.
    """

    size_divisor = 4
    """Height and width are padded to multiples of this."""

    min_size = 4
    """Height and width are padded to this at least."""

    def __init__(self, mid_channels: int = 16, num_blocks: int = 15, context: int = 2,
                 shift: float = 0.5, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg=init_cfg)
        c, num_frames = mid_channels, 2 * context + 1
        self.context = context
        self.min_frames = num_frames
        self.shift = shift
        self.cell = RecurrentCell(c, num_blocks)
        self.attention = GlobalSpatioTemporalAttention(5 * c, num_frames)

        def double(in_channels: int, out_channels: int) -> nn.ConvTranspose2d:
            return nn.ConvTranspose2d(in_channels, out_channels, 3, stride=2, padding=1,
                                      output_padding=1)

        self.decoder = nn.Sequential(
            double(num_frames * 5 * c, 2 * c), double(2 * c, c), nn.Conv2d(c, 3, 5, padding=2))

    def encode(self, frame: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Take the next frame.

        Args:
            frame (Tensor): (n, 3, h, w) RGB in [0, 1]; h and w multiples of 4.
            state (Tensor, optional): what the call for the frame before gave.
                None: the video begins.

        Returns:
            tuple[Tensor, Tensor]: features of the frame, for :meth:`restore`,
            and the state, for the next frame.
        """
        return self.cell(frame - self.shift, state)

    def restore(self, window: Sequence[Tensor]) -> Tensor:
        """Restore the middle frame of a window.

        Args:
            window (Sequence[Tensor]): features of ``2 * context + 1`` frames
                in order of time.

        Returns:
            Tensor: (n, 3, h, w) RGB, not clamped.
        """
        upsampled = self.decoder[:-1](self.attention(list(window)))  # (n, c, h, w)
        # the layer that makes the picture: in half precision it would be cut to 8 or 11 bits
        with torch.autocast(upsampled.device.type, enabled=False):
            picture = self.decoder[-1](upsampled.to(self.decoder[-1].weight.dtype))
        return picture + self.shift

    def forward(self, frames: Tensor) -> Tensor:
        """Restore the middle of a clip.

        Args:
            frames (Tensor): (n, t, 3, h, w) RGB in [0, 1]; any size, t at
                least ``2 * context + 1``.

        Returns:
            Tensor: (n, t - 2 * context, 3, h, w) RGB, not clamped: all frames
            but ``context`` at either end.

        Raises:
            ValueError: another shape, or too few frames.
        """
        if frames.ndim != 5 or frames.shape[2] != 3:
            raise ValueError(f'ESTRNNNet takes RGB clips (n, t, 3, h, w), not '
                             f'{tuple(frames.shape)}')
        if frames.shape[1] < self.min_frames:
            raise ValueError(f'ESTRNNNet takes clips of {self.min_frames} frames or more, not of '
                             f'{frames.shape[1]}')
        height, width = frames.shape[-2:]
        frames = pad_to_multiple(frames, self.size_divisor, self.min_size)
        window: collections.deque[Tensor] = collections.deque(maxlen=self.min_frames)
        restored, state = [], None
        for frame in frames.unbind(1):
            features, state = self.encode(frame, state)
            window.append(features)
            if len(window) == self.min_frames:
                restored.append(self.restore(window))
        return torch.stack(restored, dim=1)[..., :height, :width]
