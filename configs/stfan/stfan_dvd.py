"""STFAN on DVD: a sequence of 20 frames of 320x448 a GPU, 400 epochs (Zhou et al., ICCV 2019)."""

_base_ = './stfan_gopro.py'

data_root = 'data/DVD'
train_dataloader = dict(dataset=dict(type='DVDDataset', data_root=data_root))
test_dataloader = dict(dataset=dict(type='DVDDataset', data_root=data_root))
val_dataloader = test_dataloader
