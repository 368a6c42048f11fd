"""A small CDVD-TSPNL for the demo data: an eighth of the channels, one block, no flow.

The camera of the demo moves little; a flow network would take nine tenths of the time.
"""

_base_ = './cdvd-nl_gopro.py'

model = dict(generator=dict(mid_channels=8, num_blocks=1, flow_estimator=None))

train_pipeline = [
    dict(type='LoadVideoFrames', crop_size=64),
    dict(type='Flip', keys=['img', 'gt'], flip_ratio=0.5, direction='horizontal'),
    dict(type='Flip', keys=['img', 'gt'], flip_ratio=0.5, direction='vertical'),
    dict(type='RandomTransposeHW', keys=['img', 'gt'], transpose_ratio=0.5),
    dict(type='PackInputs', meta_keys={{_base_.meta_keys}}),
]
train_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    dataset=dict(data_root='data/demo', run_length=5, pipeline=train_pipeline))
test_dataloader = dict(
    num_workers=0, persistent_workers=False, dataset=dict(data_root='data/demo'))
val_dataloader = test_dataloader

train_cfg = dict(max_iters=1000, val_interval=1000, total_batch_size=2)
optim_wrapper = dict(optimizer=dict(lr=6e-4), paramwise_cfg=dict(custom_keys={}, _delete_=True))
param_scheduler = None
custom_hooks = _base_.custom_hooks[:-1]  # nothing rests
default_hooks = dict(checkpoint=dict(interval=1000))
