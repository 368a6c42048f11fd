"""EDVR on DVD: 64 channels, 5 + 10 blocks; 8 GPUs x 4 windows of 256x256, 600,000 iterations."""

_base_ = './edvr-deblur_gopro.py'

data_root = 'data/DVD'
train_dataloader = dict(dataset=dict(type='DVDDataset', data_root=data_root))
test_dataloader = dict(dataset=dict(type='DVDDataset', data_root=data_root))
val_dataloader = test_dataloader
