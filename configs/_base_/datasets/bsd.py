"""BSD, one exposure: an epoch visits the 5,760 training windows once; all frames are scored."""

_base_ = './video_deblur.py'

data_root = 'data/BSD'  # the folder of an exposure, or of all of them, or a frame store of one
exposure = '1ms8ms'  # or 2ms16ms, 3ms24ms
train_dataloader = dict(
    dataset=dict(type='BSDDataset', data_root=data_root, exposure=exposure, repeat=1))
test_dataloader = dict(
    dataset=dict(type='BSDDataset', data_root=data_root, exposure=exposure, skip_ends=0))
val_dataloader = dict(
    dataset=dict(type='BSDDataset', data_root=data_root, exposure=exposure, skip_ends=0,
                 split='valid'))

test_evaluator = dict(
    type='Evaluator', metrics=[dict(type='VideoDeblurMetric', protocol='bsd')])
val_evaluator = test_evaluator
