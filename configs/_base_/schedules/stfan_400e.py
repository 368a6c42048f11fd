"""STFAN's schedule: Adam 1e-4, times 0.1 at epochs 80, 160 and 250 of 400."""

train_cfg = dict(type='ResumableTrainLoop', max_epochs=400, val_interval=10)
val_cfg = dict(type='MultiValLoop')
test_cfg = dict(type='MultiTestLoop')

optim_wrapper = dict(
    type='GuardedOptimWrapper',
    constructor='GroupedOptimWrapperConstructor',
    optimizer=dict(type='Adam', lr=1e-4, betas=(0.9, 0.999)))
param_scheduler = dict(type='MultiStepLR', by_epoch=True, milestones=[80, 160, 250], gamma=0.1)
