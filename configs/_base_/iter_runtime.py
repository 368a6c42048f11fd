"""The default runtime for trainings that count in iterations."""

_base_ = './default_runtime.py'

default_hooks = dict(checkpoint=dict(interval=5000, by_epoch=False))
log_processor = dict(by_epoch=False)
