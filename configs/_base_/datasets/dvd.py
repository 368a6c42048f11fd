"""DVD: an epoch visits the 5,262 training windows once (657 batches of 8)."""

_base_ = './video_deblur.py'

data_root = 'data/DVD'  # the published or the repacked folders, or a frame store of them
train_dataloader = dict(dataset=dict(type='DVDDataset', data_root=data_root, repeat=1))
test_dataloader = dict(dataset=dict(type='DVDDataset', data_root=data_root))
val_dataloader = test_dataloader
