"""CDVD-TSPNL on GOPRO: 8 GPUs x 2 clips of 10 frames of 256x256, 600,000 iterations."""

_base_ = [
    '../_base_/models/cdvd_nl.py', '../_base_/datasets/gopro.py',
    '../_base_/schedules/cdvd_nl_600k.py', '../_base_/iter_runtime.py'
]

test_pipeline = [dict(type='LoadVideoFrames'),
                 dict(type='PackInputs', meta_keys={{_base_.meta_keys}})]

train_dataloader = dict(
    batch_size=2,
    num_workers=6,
    dataset=dict(mode='video', run_length=10, frames_per_video=None, repeat=1))
# whole videos
test_dataloader = dict(num_workers=1, dataset=dict(mode='video', pipeline=test_pipeline))
val_dataloader = test_dataloader

# the flow network comes trained
custom_hooks = [
    *_base_.custom_hooks,
    dict(type='FreezeHook', names=['flow_estimator'], num_iters=5000),
]
