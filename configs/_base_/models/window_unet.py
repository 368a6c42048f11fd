"""The flow-free U-Net at half size (1,530,572 parameters, 4.4 GMACs for a frame of 256x256)."""

model = dict(
    type='EDVRDeblur',  # the restorer of all networks that restore the middle of a window
    generator=dict(
        type='WindowUNet',
        num_frames=5,
        channels=(48, 96, 160),
        encoder_blocks=(1, 1, 2),
        decoder_blocks=(1, 1)),
    pixel_loss=dict(type='LogErrorLoss', log_weight=0.005, floor=3e-5),
    train_cfg=dict(tsa_iter=0),
    data_preprocessor=dict(
        type='DataPreprocessor', mean=[0., 0., 0.], std=[255., 255., 255.]))
