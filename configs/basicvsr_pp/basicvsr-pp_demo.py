"""A small BasicVSR++ for the demo data: an eighth of the channels, one block a branch.

Its flow network takes no frame below 256x256 (64x64 after the quarter): patches are padded to it.
"""

_base_ = './basicvsr-pp_gopro.py'

model = dict(generator=dict(mid_channels=8, num_blocks=1))

train_pipeline = [dict(type='LoadVideoFrames', crop_size=96), *_base_.train_pipeline[1:]]
train_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    dataset=dict(data_root='data/demo', run_length=4, pipeline=train_pipeline))
test_dataloader = dict(
    num_workers=0, persistent_workers=False, dataset=dict(data_root='data/demo'))
val_dataloader = test_dataloader

train_cfg = dict(max_iters=1000, val_interval=1000, total_batch_size=1)
optim_wrapper = dict(optimizer=dict(lr=6e-4))
param_scheduler = None
default_hooks = dict(checkpoint=dict(interval=1000))
