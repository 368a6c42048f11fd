"""A single frame in place of three: no neighbours, flow or prior."""

_base_ = '../_base_/ablation.py'

model = dict(generator=dict(type='SingleFrameCDVDNet', flow_estimator=None))
optim_wrapper = dict(paramwise_cfg=None)
custom_hooks = _base_.custom_hooks[:-1]  # there is nothing to freeze
