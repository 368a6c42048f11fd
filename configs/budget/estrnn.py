"""A small ESTRNN: of five frames the middle one is restored."""

_base_ = './dstnet-plus.py'

model = dict(
    generator=dict(_delete_=True, type='ESTRNNNet', mid_channels=10, num_blocks=12),
    test_cfg=None)
