"""MMagic's schedule of BasicVSR++: Adam 1e-4, a quarter for flow, cosine, 600,000 iterations."""

# An iteration is one step on 8 samples, whatever the number of GPUs: gradients are accumulated.
train_cfg = dict(
    type='ResumableTrainLoop', max_iters=600_000, val_interval=5000, total_batch_size=8)
val_cfg = dict(type='MultiValLoop')
test_cfg = dict(type='MultiTestLoop')

optim_wrapper = dict(
    type='GuardedOptimWrapper',
    constructor='GroupedOptimWrapperConstructor',
    optimizer=dict(type='Adam', lr=1e-4, betas=(0.9, 0.99)),
    paramwise_cfg=dict(custom_keys={'spynet': dict(lr_mult=0.25)}))
param_scheduler = dict(
    type='CosineRestartLR', by_epoch=False, periods=[600_000], restart_weights=[1], eta_min=1e-7)

auto_scale_lr = dict(enable=False, base_batch_size=8)
