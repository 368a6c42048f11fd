"""ESTRNN as released, "C80B15" (2,467,931 parameters)."""

model = dict(
    type='ClipRestorer',
    generator=dict(type='ESTRNNNet', mid_channels=16, num_blocks=15, context=2),
    losses=dict(pixel=dict(type='PixelCharbonnierLoss', eps=1e-6)),
    data_preprocessor=dict(
        type='DataPreprocessor', mean=[0., 0., 0.], std=[255., 255., 255.]))
