"""STFAN on GOPRO: a sequence of 20 frames of 320x448 a GPU, 400 epochs (Zhou et al., ICCV 2019)."""

_base_ = [
    '../_base_/models/stfan.py', '../_base_/datasets/gopro.py', '../_base_/schedules/stfan_400e.py',
    '../_base_/default_runtime.py'
]

train_pipeline = [  # without the transposition: patches are not square
    dict(type='LoadVideoFrames', crop_size=(320, 448)), *_base_.train_pipeline[1:3],
    _base_.train_pipeline[-1]]
test_pipeline = [dict(type='LoadVideoFrames'), _base_.test_pipeline[-1]]

train_dataloader = dict(
    dataset=dict(
        mode='video', run_length=20, frames_per_video=None, repeat=1, pipeline=train_pipeline))
# whole videos
test_dataloader = dict(num_workers=1, dataset=dict(mode='video', pipeline=test_pipeline))
val_dataloader = test_dataloader
