"""EDVR for deblurring: 64 channels, 5 + 10 blocks (4,042,851 parameters)."""

model = dict(
    type='EDVRDeblur',
    generator=dict(
        type='EDVRDeblurNet',
        mid_channels=64,
        num_frames=5,
        deform_groups=8,
        num_blocks_extraction=5,
        num_blocks_reconstruction=10,
        with_tsa=True),
    pixel_loss=dict(type='CharbonnierLoss', loss_weight=1.0, reduction='mean'),
    # 0: no iterations in which the fusion alone is trained; those are for starting from a
    # checkpoint without fusion
    train_cfg=dict(tsa_iter=0),
    data_preprocessor=dict(
        type='DataPreprocessor', mean=[0., 0., 0.], std=[255., 255., 255.]))

find_unused_parameters = True  # while the fusion alone is trained
