"""CDVD-TSPNL's schedule: Adam 2e-4, cosine with one restart, 2 x 300,000 iterations, batch 16."""

# An iteration is one step on 16 clips, whatever the number of GPUs: gradients are accumulated.
train_cfg = dict(
    type='ResumableTrainLoop', max_iters=600_000, val_interval=5000, total_batch_size=16)
val_cfg = dict(type='MultiValLoop')
test_cfg = dict(type='MultiTestLoop')

# an eighth of the learning rate for the flow network; custom_hooks of the configs rest it at first
optim_wrapper = dict(
    type='GuardedOptimWrapper',
    constructor='GroupedOptimWrapperConstructor',
    optimizer=dict(type='Adam', lr=2e-4, betas=(0.9, 0.99), weight_decay=0.),
    paramwise_cfg=dict(custom_keys={'flow_estimator': dict(lr_mult=0.125)}))
param_scheduler = dict(
    type='CosineRestartLR', by_epoch=False, periods=[300_000, 300_000], restart_weights=[1, 0.5],
    eta_min=1e-7)

auto_scale_lr = dict(enable=False, base_batch_size=16)
