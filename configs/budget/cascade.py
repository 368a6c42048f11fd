"""A compact cascade: two stages, flow of a small PWC-Net, prior, restoration at half size."""

_base_ = '../_base_/budget.py'

channels = (8, 16, 16, 24, 32, 32)
dense = (16, 12, 8, 8, 8)
matches = 49  # displacements of up to 3
flow_estimator = dict(
    type='MMFlowEstimator',
    estimator=dict(
        type='pwcnet',
        encoder=dict(out_channels=channels),
        decoder=dict(
            in_channels=dict(level6=matches, level5=matches + 36, level4=matches + 28,
                             level3=matches + 20, level2=matches + 20),
            densefeat_channels=dense,
            corr_cfg=dict(max_displacement=3),
            post_processor=dict(in_channels=matches + 20 + sum(dense), feat_channels=(16, 16),
                                dilations=(1, 2)))))

model = dict(
    type='CascadedRestorer',
    generator=dict(
        type='CDVDNet',
        reconstruction=dict(type='TripleUNet', channels=(32, 64, 96), encoder_blocks=(1, 1, 1)),
        flow_estimator=dict(
            **flow_estimator,
            init_cfg=dict(type='Pretrained', prefix='generator.estimator', required=True,
                          checkpoint='checkpoints/pwcnet_small.pth'))),
    pixel_loss={{_base_.loss}},
    stage_weights=[1.0, 3.0],  # both count alike: three frames and one
    data_preprocessor={{_base_.data_preprocessor}})
train_dataloader = dict(dataset=dict(sharp_window=True))
custom_hooks = [
    *_base_.custom_hooks,
    dict(type='FreezeHook', names=['flow_estimator'], num_iters=10**9),
]
