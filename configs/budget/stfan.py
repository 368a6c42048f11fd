"""A small STFAN: five frames, one after the other."""

_base_ = './dstnet-plus.py'

model = dict(
    _delete_=True, type='RecurrentRestorer',
    generator=dict(type='STFANNet', mid_channels=11, num_blocks=2),
    pixel_loss={{_base_.loss}}, data_preprocessor={{_base_.data_preprocessor}})
