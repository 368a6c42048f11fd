"""CDVD-TSPNL on BSD, 1-8 ms: 8 GPUs x 2 clips of 10 frames of 256x256, 600,000 iterations.

The other exposures: --cfg-options with train_dataloader.dataset.exposure=2ms16ms and so on.
"""

_base_ = './cdvd-nl_gopro.py'

data = dict(type='BSDDataset', data_root='data/BSD', exposure='1ms8ms')
train_dataloader = dict(dataset=data)
# all frames of whole videos
test_dataloader = dict(dataset=dict(**data, skip_ends=0))
val_dataloader = dict(dataset=dict(**data, skip_ends=0, split='valid'))
test_evaluator = dict(
    type='Evaluator', metrics=[dict(type='VideoDeblurMetric', protocol='bsd')])
val_evaluator = test_evaluator
