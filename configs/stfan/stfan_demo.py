"""A small STFAN for the demo data: a quarter of the channels, one block, sequences of 7 frames."""

_base_ = './stfan_gopro.py'

model = dict(generator=dict(mid_channels=8, num_blocks=1))

# square patches: turned as well
train_pipeline = [
    dict(type='LoadVideoFrames', crop_size=64), *_base_.train_pipeline[1:-1],
    dict(type='RandomTransposeHW', keys=['img', 'gt'], transpose_ratio=0.5),
    _base_.train_pipeline[-1]]
train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(data_root='data/demo', run_length=7, pipeline=train_pipeline))
test_dataloader = dict(
    num_workers=0, persistent_workers=False, dataset=dict(data_root='data/demo'))
val_dataloader = test_dataloader

train_cfg = dict(_delete_=True, type='ResumableTrainLoop', max_iters=1000, val_interval=1000)
optim_wrapper = dict(optimizer=dict(lr=6e-4))
param_scheduler = None
default_hooks = dict(checkpoint=dict(interval=1000, by_epoch=False))
log_processor = dict(by_epoch=False)
