"""DSTNet+ on GOPRO: 8 GPUs x 2 clips of 15 frames of 256x256, 600,000 iterations."""

_base_ = [
    '../_base_/models/dstnet_plus.py', '../_base_/datasets/gopro.py',
    '../_base_/schedules/dstnet_plus_600k.py', '../_base_/iter_runtime.py'
]

train_dataloader = dict(
    batch_size=2, dataset=dict(num_frames=15, frames_per_video=None, repeat=1))
# whole videos, all frames of them
test_dataloader = dict(
    num_workers=1,
    dataset=dict(
        mode='video', skip_ends=0,
        pipeline=[dict(type='LoadVideoFrames'),
                  dict(type='PackInputs', meta_keys={{_base_.meta_keys}})]))
val_dataloader = test_dataloader
test_evaluator = dict(
    type='Evaluator', metrics=[dict(type='VideoDeblurMetric', protocol='dstnet')])
val_evaluator = test_evaluator
