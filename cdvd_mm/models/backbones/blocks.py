"""Parts that several networks are made of."""

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
                nn.init.zeros_(conv.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, c, h, w) to (n, c, h, w)."""
        return x + self.conv2(self.activation(self.conv1(x)))
