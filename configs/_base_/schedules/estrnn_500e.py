"""ESTRNN's schedule: Adam 5e-4, cosine over 500 epochs, batch 8, gradients clipped at norm 20."""

# An iteration is one step on 8 sequences, whatever the number of GPUs: gradients are accumulated.
train_cfg = dict(
    type='ResumableTrainLoop', max_epochs=500, val_interval=10, total_batch_size=8)
val_cfg = dict(type='MultiValLoop')
test_cfg = dict(type='MultiTestLoop')

optim_wrapper = dict(
    type='GuardedOptimWrapper',
    constructor='GroupedOptimWrapperConstructor',
    optimizer=dict(type='Adam', lr=5e-4, betas=(0.9, 0.999)),
    clip_grad=dict(max_norm=20))
param_scheduler = dict(type='CosineAnnealingLR', by_epoch=True, T_max=500, eta_min=1e-8)

auto_scale_lr = dict(enable=False, base_batch_size=8)
