"""CDVD-TSPNL as released: two runs, attention, prior, SpyNet (5,498,095 parameters)."""

# OpenMMLab's spynet_20210409-c6c1bd09.pth, see configs/cdvd_nl/README.md. Without the file the flow
# network starts untrained, and the log says so.
flow_checkpoint = 'checkpoints/spynet.pth'

model = dict(
    type='ClipRestorer',
    generator=dict(
        type='CDVDNetNL',
        mid_channels=64,
        num_blocks=3,
        num_reconstruction_blocks=1,
        num_runs=2,
        with_non_local=True,
        flow_estimator=dict(
            type='SpyNetEstimator',
            init_cfg=dict(type='Pretrained', checkpoint=flow_checkpoint, required=False)),
        prior=dict(type='TemporalSharpnessPrior', form='released', patch_size=5)),
    # Charbonnier + 2 x HEM, every frame with its own mask
    losses=dict(
        pixel=dict(type='CharbonnierLoss', eps=1e-12),
        hem=dict(type='HardExampleMiningLoss', hard_fraction=0.5, random_fraction=0.1,
                 loss_weight=2.0)),
    # clips as in training, the last one moved back to fit
    test_cfg=dict(clip_length=10),
    data_preprocessor=dict(
        type='DataPreprocessor', mean=[0., 0., 0.], std=[255., 255., 255.]))
