"""Parts that several networks are made of."""

from collections.abc import Sequence

from mmengine.model import BaseModule
from torch import Tensor, nn

NEGATIVE_SLOPE = 0.1


class ResidualBlock(nn.Module):
    """Convolution, activation, convolution, plus the input; zero padding, nothing after the sum.

    Args:
        channels (int): Channels of input and output.
        kernel_size (int): Side of both kernels, odd.
        negative_slope (float): LeakyReLU's; 0 is a ReLU.
        init_scale (float, optional): Start from Kaiming's normal rule (fan in) times this, biases
            at zero. Default: None, PyTorch's own start.
    """

    def __init__(self, channels: int, kernel_size: int = 3, negative_slope: float = 0.,
                 init_scale: float | None = None) -> None:
        super().__init__()
        padding = kernel_size // 2
        self.conv1 = nn.Conv2d(channels, channels, kernel_size, padding=padding)
        self.activation = nn.LeakyReLU(negative_slope, inplace=True) if negative_slope \
            else nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(channels, channels, kernel_size, padding=padding)
        if init_scale is not None:
            for conv in (self.conv1, self.conv2):
                nn.init.kaiming_normal_(conv.weight, a=0, mode='fan_in')
                conv.weight.data.mul_(init_scale)
                nn.init.zeros_(conv.bias)  # type: ignore[arg-type]  # it has one

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, c, h, w) to (n, c, h, w)."""
        return x + self.conv2(self.activation(self.conv1(x)))


class ReconstructionNet(BaseModule):
    """The restoration network of the CDVD family: SRN's encoder-decoder without its ConvLSTM.

    Args:
        in_channels (int): of the input.
        channels (Sequence[int]): at full, half and quarter size.
        num_blocks (int): residual blocks of each of the six parts.
        out_channels (int): of the output.
        negative_slope (float): of the activation in the residual blocks; those
            behind the other convolutions are ReLUs.
        init_scale (float, optional): of the residual blocks, see
            :class:`ResidualBlock`. The other weights start as PyTorch draws
            them.
        zero_output (bool): ``init_weights`` sets the last convolution to zero.
    """

    def __init__(self, in_channels: int, channels: Sequence[int] = (32, 64, 128),
                 num_blocks: int = 3, out_channels: int = 3, negative_slope: float = 0.,
                 init_scale: float | None = None, zero_output: bool = False) -> None:
        super().__init__()
        self.zero_output = zero_output
        full, half, quarter = channels

        def conv(in_channels: int, out_channels: int, stride: int) -> nn.Sequential:
            return nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 5, stride=stride, padding=2),
                nn.ReLU(inplace=True))

        def upsample(in_channels: int, out_channels: int) -> nn.Sequential:
            return nn.Sequential(
                nn.ConvTranspose2d(in_channels, out_channels, 3, stride=2, padding=1,
                                   output_padding=1), nn.ReLU(inplace=True))

        def blocks(channels: int) -> list[nn.Module]:
            return [ResidualBlock(channels, 5, negative_slope, init_scale)
                    for _ in range(num_blocks)]

        self.in_block = nn.Sequential(conv(in_channels, full, 1), *blocks(full))
        self.encoder1 = nn.Sequential(conv(full, half, 2), *blocks(half))
        self.encoder2 = nn.Sequential(conv(half, quarter, 2), *blocks(quarter))
        self.decoder2 = nn.Sequential(*blocks(quarter), upsample(quarter, half))
        self.decoder1 = nn.Sequential(*blocks(half), upsample(half, full))
        self.out_block = nn.Sequential(*blocks(full),
                                       nn.Conv2d(full, out_channels, 5, padding=2))

    def init_weights(self) -> None:
        """Initialise as ``init_cfg`` says, and the last convolution as ``zero_output`` says."""
        first_time = not self.is_init
        super().init_weights()
        if self.zero_output and first_time:
            for parameter in self.out_block[-1].parameters():
                nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        """(n, in_channels, h, w) -> (n, out_channels, h, w); h, w multiples of 4."""
        full = self.in_block(x)  # (n, full, h, w)
        half = self.encoder1(full)  # (n, half, h/2, w/2)
        quarter = self.encoder2(half)  # (n, quarter, h/4, w/4)
        half = self.decoder2(quarter) + half
        full = self.decoder1(half) + full
        return self.out_block(full)
