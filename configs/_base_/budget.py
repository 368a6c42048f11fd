"""What the rows of the table of equal budgets share: films by the simulated camera, and the recipe.

About as many multiply-adds a frame as the network that ships (4.5 billion at 256x256, 15 % more or
less), the same samples, optimiser and loss, and the same processor time: tools/ablation.py
configs/budget/*.py --seconds 600. Test pairs: synthesise.py, see docs/en/reproduce.md.
"""

_base_ = ['./datasets/simulated_camera.py', './schedules/muon_wsd.py', './iter_runtime.py']

data_root = 'data/budget'
max_iters = 2000

train_dataloader = dict(dataset=dict(crop_size=64, max_speed=(6, 6), min_psnr=(25, 25)))
test_pipeline = [dict(type='LoadVideoFrames'),
                 dict(type='PackInputs', meta_keys={{_base_.meta_keys}})]
test_dataloader = dict(num_workers=1, dataset=dict(data_root=data_root))
val_cfg = None
val_dataloader = None
val_evaluator = None

loss = dict(type='LogErrorLoss', log_weight=0.005, floor=3e-5)
data_preprocessor = dict(type='DataPreprocessor', mean=[0., 0., 0.], std=[255., 255., 255.])

train_cfg = dict(max_iters=max_iters, val_interval=10**9)
param_scheduler = [
    dict(type='LinearLR', by_epoch=False, start_factor=0.01, begin=0, end=100),
    dict(type='LinearLR', by_epoch=False, start_factor=1.0, end_factor=0.0, begin=max_iters // 2,
         end=max_iters),
]
default_hooks = dict(
    logger=dict(interval=50), checkpoint=dict(interval=200, save_best=None, max_keep_ckpts=1))
