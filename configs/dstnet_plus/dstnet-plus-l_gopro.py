"""DSTNet+L on GOPRO: 96 channels, 5 + 25 blocks (14,088,675 parameters), trained as DSTNet+."""

_base_ = './dstnet-plus_gopro.py'

model = dict(generator=dict(mid_channels=96, num_filter_blocks=5, num_blocks=25))
