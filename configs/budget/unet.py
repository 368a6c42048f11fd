"""The network that ships: a U-Net on five frames, without flow."""

_base_ = '../_base_/budget.py'

model = dict(
    type='EDVRDeblur', generator=dict(type='WindowUNet'), pixel_loss={{_base_.loss}},
    train_cfg=dict(tsa_iter=0), data_preprocessor={{_base_.data_preprocessor}})
