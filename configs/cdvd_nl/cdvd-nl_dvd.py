"""CDVD-TSPNL on DVD: 8 GPUs x 2 clips of 10 frames of 256x256, 600,000 iterations."""

_base_ = './cdvd-nl_gopro.py'

data_root = 'data/DVD'
train_dataloader = dict(dataset=dict(type='DVDDataset', data_root=data_root))
test_dataloader = dict(dataset=dict(type='DVDDataset', data_root=data_root))
val_dataloader = test_dataloader
