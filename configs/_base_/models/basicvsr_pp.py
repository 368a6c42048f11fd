"""BasicVSR++ with full-size input, 64 channels, 15 blocks (9,760,175 parameters)."""

model = dict(
    type='BasicVSRDeblur',
    generator=dict(
        type='BasicVSRPlusPlusNet',
        mid_channels=64,
        num_blocks=15,
        is_low_res_input=False,
        # OpenMMLab's spynet_20210409-c6c1bd09.pth, see configs/basicvsr_pp/README.md; without it
        # flow is learned from scratch
        spynet_pretrained=None,
        cpu_cache_length=100),
    pixel_loss=dict(type='CharbonnierLoss', loss_weight=1.0, reduction='mean'),
    # iterations for which the flow network rests: 5000 where it comes trained
    train_cfg=dict(fix_iter=-1),
    data_preprocessor=dict(
        type='DataPreprocessor', mean=[0., 0., 0.], std=[255., 255., 255.]))

find_unused_parameters = True  # while the flow network rests
