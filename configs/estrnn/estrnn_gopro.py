"""ESTRNN on GOPRO: 8 frames of 256x256, batch 8, 500 epochs (Zhong et al., ECCV 2020)."""

_base_ = [
    '../_base_/models/estrnn.py', '../_base_/datasets/gopro.py',
    '../_base_/schedules/estrnn_500e.py', '../_base_/default_runtime.py'
]

# trained on frames shrunk to 960x540
train_pipeline = [
    dict(type='LoadVideoFrames'),
    dict(type='Resize', keys=['img', 'gt'], scale=(960, 540), interpolation='area'),
    dict(type='FixedCrop', keys=['img', 'gt'], crop_size=(256, 256)),  # one place, drawn
    dict(type='Flip', keys=['img', 'gt'], flip_ratio=0.5, direction='horizontal'),
    dict(type='Flip', keys=['img', 'gt'], flip_ratio=0.5, direction='vertical'),
    dict(type='PackInputs', meta_keys={{_base_.meta_keys}}),
]
test_pipeline = [dict(type='LoadVideoFrames'),
                 dict(type='PackInputs', meta_keys={{_base_.meta_keys}})]

# as many sequences an epoch as there are windows of 8
train_dataloader = dict(
    dataset=dict(
        mode='video', run_length=8, frames_per_video=None, repeat=8, pipeline=train_pipeline))
# whole videos
test_dataloader = dict(num_workers=1, dataset=dict(mode='video', pipeline=test_pipeline))
val_dataloader = test_dataloader
