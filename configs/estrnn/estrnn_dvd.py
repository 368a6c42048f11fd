"""ESTRNN on DVD: 8 frames of 256x256, batch 8, 500 epochs (Zhong et al., ECCV 2020)."""

_base_ = './estrnn_gopro.py'

data_root = 'data/DVD'
train_pipeline = [
    dict(type='LoadVideoFrames', crop_size=256),
    dict(type='Flip', keys=['img', 'gt'], flip_ratio=0.5, direction='horizontal'),
    dict(type='Flip', keys=['img', 'gt'], flip_ratio=0.5, direction='vertical'),
    dict(type='PackInputs', meta_keys={{_base_.meta_keys}}),
]
train_dataloader = dict(
    dataset=dict(type='DVDDataset', data_root=data_root, pipeline=train_pipeline))
test_dataloader = dict(dataset=dict(type='DVDDataset', data_root=data_root))
val_dataloader = test_dataloader
