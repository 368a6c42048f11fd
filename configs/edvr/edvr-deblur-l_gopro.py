"""EDVR on GOPRO in the published form: 128 channels, 5 + 40 blocks (23.6 M parameters)."""

_base_ = './edvr-deblur_gopro.py'

model = dict(generator=dict(mid_channels=128, num_blocks_reconstruction=40))
# MMagic's learning rate for this size
optim_wrapper = dict(optimizer=dict(lr=2e-4))
