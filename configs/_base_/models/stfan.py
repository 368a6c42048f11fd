"""STFAN as released (5,372,547 parameters)."""

model = dict(
    type='RecurrentRestorer',
    generator=dict(type='STFANNet', mid_channels=32, num_blocks=2, kernel_size=5),
    pixel_loss=dict(type='MSELoss', loss_weight=1.0, reduction='mean'),
    # The paper adds 0.01 x a perceptual loss. Its VGG-19 is a download of torchvision's, so it is
    # asked for in a config of one's own, see configs/stfan/README.md.
    perceptual_loss=None,
    data_preprocessor=dict(
        type='DataPreprocessor', mean=[0., 0., 0.], std=[255., 255., 255.]))
