"""The demo: a small CDVDNet without flow, some minutes on two processor cores.

Data: tools/dataset_converters/make_demo_data.py data/demo. One process with a batch of 4 windows.
"""

_base_ = ['_base_/models/cdvd.py', '_base_/datasets/gopro.py', '_base_/iter_runtime.py']

data_root = 'data/demo'
max_iters = 2000

# A quarter of the width, one block, the blurred frame is added to the output. L2, and the second
# stage after the first: from L1, or from both stages at once, it learns nothing in this time.
model = dict(
    generator=dict(
        mid_channels=8, num_blocks=1, flow_estimator=None, predict_residual=True,
        init_cfg=dict(type='Kaiming', layer=['Conv2d', 'ConvTranspose2d'], mode='fan_in')),
    pixel_loss=dict(_delete_=True, type='MSELoss', loss_weight=1.0, reduction='mean'),
    hard_example_loss=None,
    stage_milestones=[1000],
    stage_weights=[1.0, 3.0])  # both count alike: three frames and one

train_pipeline = [dict(type='LoadVideoFrames', crop_size=48), *_base_.train_pipeline[1:]]
train_dataloader = dict(
    batch_size=4, num_workers=1,
    dataset=dict(data_root=data_root, repeat=1, pipeline=train_pipeline))
val_dataloader = dict(num_workers=1, dataset=dict(data_root=data_root))
test_dataloader = val_dataloader

train_cfg = dict(type='ResumableTrainLoop', max_iters=max_iters, val_interval=max_iters // 2)
val_cfg = dict(type='MultiValLoop')
test_cfg = dict(type='MultiTestLoop')
optim_wrapper = dict(
    type='GuardedOptimWrapper', optimizer=dict(type='Adam', lr=5e-4, betas=(0.9, 0.99)))
param_scheduler = dict(
    type='CosineAnnealingLR', by_epoch=False, T_max=max_iters, eta_min=5e-5)

default_hooks = dict(checkpoint=dict(interval=max_iters // 2))
