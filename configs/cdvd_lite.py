"""The network that ships: a small U-Net trained on films by a simulated camera.

One process, one or two processor cores; goes on where it stopped with --resume auto. Videos of
sharp frames: --cfg-options train_dataloader.dataset.clips='["walk.mp4"]'
"""

_base_ = ['_base_/models/window_unet.py', '_base_/datasets/simulated_camera.py',
          '_base_/schedules/muon_wsd.py', '_base_/iter_runtime.py']

# no pairs are needed to train; tools/test.py scores the checkpoints
val_cfg = None
val_dataloader = None
val_evaluator = None

default_hooks = dict(checkpoint=dict(interval=1000, save_best=None))
custom_hooks = [
    *_base_.custom_hooks,
    dict(type='EMAHook', ema_type='ExponentialMovingAverage', momentum=0.001),
]
