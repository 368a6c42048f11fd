"""GOPRO: an epoch visits the 1,955 training windows four times (977 batches of 8)."""

_base_ = './video_deblur.py'

data_root = 'data/GOPRO'  # the published or the repacked folders, or a frame store of them
train_dataloader = dict(dataset=dict(type='GoProDataset', data_root=data_root, repeat=4))
test_dataloader = dict(dataset=dict(type='GoProDataset', data_root=data_root))
val_dataloader = test_dataloader
