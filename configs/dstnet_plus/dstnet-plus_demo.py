"""A small DSTNet+ for the demo data: a quarter of the channels, 1 + 2 blocks, clips of 7 frames."""

_base_ = './dstnet-plus_gopro.py'

model = dict(generator=dict(mid_channels=16, num_filter_blocks=1, num_blocks=2))

train_pipeline = [dict(type='LoadVideoFrames', crop_size=64), *_base_.train_pipeline[1:]]
train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(data_root='data/demo', num_frames=7, pipeline=train_pipeline))
test_dataloader = dict(
    num_workers=0, persistent_workers=False, dataset=dict(data_root='data/demo'))
val_dataloader = test_dataloader

train_cfg = dict(max_iters=1000, val_interval=1000, total_batch_size=2)
optim_wrapper = dict(optimizer=dict(lr=1e-3))
param_scheduler = dict(T_max=1000, eta_min=1e-5)
default_hooks = dict(checkpoint=dict(interval=1000))
