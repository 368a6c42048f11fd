"""A small EDVR: five frames aligned by deformable convolution."""

_base_ = './unet.py'

model = dict(generator=dict(
    _delete_=True, type='EDVRDeblurNet', mid_channels=14, deform_groups=2,
    num_blocks_extraction=1, num_blocks_reconstruction=2))
