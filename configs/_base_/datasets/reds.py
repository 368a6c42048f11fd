"""REDS, regrouped: 266 training videos (25,536 windows), tested on REDS4; all frames are scored."""

_base_ = './video_deblur.py'

data_root = 'data/REDS'  # the published folders, or a frame store of them
train_dataloader = dict(
    dataset=dict(type='REDSDataset', data_root=data_root, reds4=True, repeat=1))
test_dataloader = dict(
    dataset=dict(type='REDSDataset', data_root=data_root, reds4=True, skip_ends=0))
val_dataloader = test_dataloader

test_evaluator = dict(
    type='Evaluator', metrics=[dict(type='VideoDeblurMetric', protocol='reds4')])
val_evaluator = test_evaluator
