"""A small ESTRNN for the demo data: half of the channels, three blocks, patches of 64x64."""

_base_ = './estrnn_gopro.py'

model = dict(generator=dict(mid_channels=8, num_blocks=3))

train_pipeline = [
    dict(type='LoadVideoFrames', crop_size=64),
    dict(type='Flip', keys=['img', 'gt'], flip_ratio=0.5, direction='horizontal'),
    dict(type='Flip', keys=['img', 'gt'], flip_ratio=0.5, direction='vertical'),
    dict(type='PackInputs', meta_keys={{_base_.meta_keys}}),
]
train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(data_root='data/demo', repeat=1, pipeline=train_pipeline))
test_dataloader = dict(
    num_workers=0, persistent_workers=False, dataset=dict(data_root='data/demo'))
val_dataloader = test_dataloader

train_cfg = dict(_delete_=True, type='ResumableTrainLoop', max_iters=1000, val_interval=1000)
optim_wrapper = dict(optimizer=dict(lr=1e-3))
param_scheduler = None
default_hooks = dict(checkpoint=dict(interval=1000, by_epoch=False))
log_processor = dict(by_epoch=False)
