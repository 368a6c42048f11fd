"""EDVR on REDS4: 64 channels, 5 + 10 blocks; 8 GPUs x 4 windows of 256x256, 600,000 iterations."""

_base_ = [
    '../_base_/models/edvr_deblur.py', '../_base_/datasets/reds.py',
    '../_base_/schedules/edvr_600k.py', '../_base_/iter_runtime.py'
]

train_dataloader = dict(
    batch_size=4,
    num_workers=6,
    dataset=dict(frames_per_video=None))
