"""MMagic's schedule of EDVR: Adam 4e-4, cosine with restarts, 600,000 iterations, batch 32."""

# An iteration is one step on 32 samples, whatever the number of GPUs: gradients are accumulated.
train_cfg = dict(
    type='ResumableTrainLoop', max_iters=600_000, val_interval=5000, total_batch_size=32)
val_cfg = dict(type='MultiValLoop')
test_cfg = dict(type='MultiTestLoop')

optim_wrapper = dict(
    type='GuardedOptimWrapper',
    constructor='GroupedOptimWrapperConstructor',
    optimizer=dict(type='Adam', lr=4e-4, betas=(0.9, 0.999)))
param_scheduler = dict(
    type='CosineRestartLR',
    by_epoch=False,
    periods=[150_000, 150_000, 150_000, 150_000],
    restart_weights=[1, 0.5, 0.5, 0.5],
    eta_min=1e-7)

auto_scale_lr = dict(enable=False, base_batch_size=32)
