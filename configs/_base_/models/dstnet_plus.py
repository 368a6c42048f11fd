"""DSTNet+: 64 channels, 3 + 15 blocks (3,903,811 parameters)."""

model = dict(
    type='ClipRestorer',
    generator=dict(type='DSTNetPlus', mid_channels=64, num_filter_blocks=3, num_blocks=15),
    losses=dict(
        pixel=dict(type='CharbonnierLoss', loss_weight=1.0, reduction='mean', eps=1e-12),
        frequency=dict(type='FrequencyLoss', loss_weight=0.1)),
    test_cfg=dict(clip_length=50),
    data_preprocessor=dict(
        type='DataPreprocessor', mean=[0., 0., 0.], std=[255., 255., 255.]))
