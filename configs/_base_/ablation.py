"""What all rows of the ablation share: a small form and a small, equal budget.

Two stages, RAFT-small's flow (checkpoints/raft_small.pth, written by `cdvd-mm convert raft-small`;
frozen: its learning rate would not move it in this time), a quarter of the width. A network this
small starts to learn with a residual output, MSE and one stage at first.
"""

_base_ = ['./models/cdvd.py', './datasets/gopro.py', './iter_runtime.py']

data_root = 'data/ablation'
max_iters = 1800
warmup_iters = 100  # without them the first steps of Adam overshoot by far
flow_checkpoint = 'checkpoints/raft_small.pth'

model = dict(
    generator=dict(
        mid_channels=8, num_blocks=1, predict_residual=True,
        init_cfg=dict(type='Kaiming', layer=['Conv2d', 'ConvTranspose2d'], mode='fan_in'),
        flow_estimator=dict(
            _delete_=True, type='MMFlowEstimator',
            estimator=dict(type='raft-small', decoder=dict(iters=3)),
            init_cfg=dict(type='Pretrained', checkpoint=flow_checkpoint, required=True))),
    pixel_loss=dict(_delete_=True, type='MSELoss', loss_weight=1.0, reduction='mean'),
    hard_example_loss=None,
    stage_milestones=[max_iters // 2],
    stage_weights=[1.0, 3.0])  # the stages count alike: three frames and one

train_pipeline = [dict(type='LoadVideoFrames', crop_size=64), *_base_.train_pipeline[1:]]
train_dataloader = dict(
    batch_size=4, num_workers=1,
    dataset=dict(data_root=data_root, repeat=1, frames_per_video=None, pipeline=train_pipeline))
val_dataloader = dict(num_workers=1, dataset=dict(data_root=data_root))
# frames that every row has enough neighbours for
test_dataloader = dict(num_workers=1, dataset=dict(data_root=data_root, skip_ends=3))
test_evaluator = dict(
    type='Evaluator', metrics=[dict(type='VideoDeblurMetric', protocol='all-frames')])

train_cfg = dict(
    type='ResumableTrainLoop', max_iters=max_iters, val_interval=10**9, total_batch_size=4)
val_cfg = dict(type='MultiValLoop')
test_cfg = dict(type='MultiTestLoop')
optim_wrapper = dict(
    type='GuardedOptimWrapper', constructor='GroupedOptimWrapperConstructor',
    optimizer=dict(type='Adam', lr=2e-3, betas=(0.9, 0.99)), clip_grad=dict(max_norm=1.0),
    paramwise_cfg=dict(custom_keys={'flow_estimator': dict(lr_mult=0.01)}))
param_scheduler = [
    dict(type='LinearLR', by_epoch=False, start_factor=0.01, end=warmup_iters),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=warmup_iters, end=max_iters,
         T_max=max_iters - warmup_iters, eta_min=2e-5)]
custom_hooks = [
    *_base_.custom_hooks,
    dict(type='FreezeHook', names=['flow_estimator'], num_iters=10**9),
]
default_hooks = dict(
    logger=dict(interval=50),
    checkpoint=dict(interval=200, by_epoch=False, save_best=None, max_keep_ckpts=1),
    visualization=dict(interval=dict(val=10**9, test=10**9)))
