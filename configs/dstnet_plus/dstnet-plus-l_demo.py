"""A small DSTNet+L for the demo data: half as wide again as dstnet-plus_demo.py, and deeper."""

_base_ = './dstnet-plus_demo.py'

model = dict(generator=dict(mid_channels=24, num_filter_blocks=2, num_blocks=3))
