"""The paper's schedule: Adam, 500 epochs, halved every 200, batch 8 in all."""

# An iteration is one step on 8 samples, whatever the number of GPUs: gradients are accumulated.
train_cfg = dict(
    type='ResumableTrainLoop', max_epochs=500, val_interval=10, total_batch_size=8)
val_cfg = dict(type='MultiValLoop')
test_cfg = dict(type='MultiTestLoop')

# 1e-4 for the restoration network, 1e-6 for the flow network
optim_wrapper = dict(
    type='GuardedOptimWrapper',
    constructor='GroupedOptimWrapperConstructor',
    optimizer=dict(type='Adam', lr=1e-4, betas=(0.9, 0.999), weight_decay=0.),
    paramwise_cfg=dict(custom_keys={'flow_estimator': dict(lr_mult=0.01)}))
param_scheduler = dict(type='StepLR', by_epoch=True, step_size=200, gamma=0.5)

# for tools/train.py --auto-scale-lr
auto_scale_lr = dict(enable=False, base_batch_size=8)
