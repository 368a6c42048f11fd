"""DSTNet+ on BSD, 1-8 ms: 8 GPUs x 2 clips of 15 frames of 256x256, 600,000 iterations.

The other exposures: --cfg-options with train_dataloader.dataset.exposure=2ms16ms and so on.
"""

_base_ = './dstnet-plus_gopro.py'

data = dict(type='BSDDataset', data_root='data/BSD', exposure='1ms8ms')
train_dataloader = dict(dataset=data)
test_dataloader = dict(dataset=data)
val_dataloader = dict(dataset=dict(**data, split='valid'))
