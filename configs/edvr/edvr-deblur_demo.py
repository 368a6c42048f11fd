"""A small EDVR for the demo data: a quarter of the channels, 1 + 2 blocks, patches of 64x64."""

_base_ = './edvr-deblur_gopro.py'

model = dict(
    generator=dict(
        mid_channels=16, deform_groups=4, num_blocks_extraction=1, num_blocks_reconstruction=2))

train_pipeline = [dict(type='LoadVideoFrames', crop_size=64), *_base_.train_pipeline[1:]]
train_dataloader = dict(
    batch_size=4,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(data_root='data/demo', pipeline=train_pipeline))
test_dataloader = dict(
    num_workers=0, persistent_workers=False, dataset=dict(data_root='data/demo'))
val_dataloader = test_dataloader

train_cfg = dict(max_iters=1000, val_interval=1000, total_batch_size=4)
optim_wrapper = dict(optimizer=dict(lr=6e-4))
param_scheduler = None
default_hooks = dict(checkpoint=dict(interval=1000))
