"""CDVD-TSP as released: 5 frames, 2 stages, PWC-Net (16,187,045 parameters)."""

# Written by tools/model_converters/convert.py pwcnet; the paper starts from it. Without the
# file the flow network starts untrained, and the log says so.
flow_checkpoint = 'checkpoints/pwcnet.pth'

model = dict(
    type='CascadedRestorer',
    generator=dict(
        type='CDVDNet',
        num_frames=5,
        num_stages=2,
        mid_channels=32,
        num_blocks=3,
        flow_estimator=dict(
            type='MMFlowEstimator',
            init_cfg=dict(type='Pretrained', checkpoint=flow_checkpoint, required=False)),
        prior=dict(type='TemporalSharpnessPrior', form='released', patch_size=5)),
    # L1 + 2 x HEM over the four outputs
    pixel_loss=dict(type='L1Loss', loss_weight=1.0, reduction='mean'),
    hard_example_loss=dict(
        type='HardExampleMiningLoss', hard_fraction=0.5, random_fraction=0.1, loss_weight=2.0),
    data_preprocessor=dict(
        type='DataPreprocessor', mean=[0., 0., 0.], std=[255., 255., 255.]))
