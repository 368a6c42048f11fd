"""DSTNet+'s schedule: AdamW 2e-4, cosine over 600,000 iterations, gradients clipped, batch 16."""

# An iteration is one step on 16 clips, whatever the number of GPUs: gradients are accumulated.
train_cfg = dict(
    type='ResumableTrainLoop', max_iters=600_000, val_interval=20_000, total_batch_size=16)
val_cfg = dict(type='MultiValLoop')
test_cfg = dict(type='MultiTestLoop')

# the betas are assumed: those of its relatives
optim_wrapper = dict(
    type='GuardedOptimWrapper',
    constructor='GroupedOptimWrapperConstructor',
    optimizer=dict(type='AdamW', lr=2e-4, betas=(0.9, 0.99), weight_decay=1e-4),
    clip_grad=dict(max_norm=0.01))
param_scheduler = dict(
    type='CosineAnnealingLR', by_epoch=False, T_max=600_000, eta_min=1e-7)

auto_scale_lr = dict(enable=False, base_batch_size=16)
