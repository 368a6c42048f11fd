"""A small DSTNet+: clips of five frames, all of them restored."""

_base_ = '../_base_/budget.py'

model = dict(
    type='ClipRestorer',
    generator=dict(type='DSTNetPlus', mid_channels=24, num_filter_blocks=2, num_blocks=8),
    losses=dict(pixel={{_base_.loss}}), test_cfg=dict(clip_length=20),
    data_preprocessor={{_base_.data_preprocessor}})
train_dataloader = dict(dataset=dict(sharp_window=True))
test_dataloader = dict(dataset=dict(mode='video', pipeline={{_base_.test_pipeline}}))
