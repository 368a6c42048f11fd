"""Without flow: neighbours are taken as they are."""

_base_ = '../_base_/ablation.py'

model = dict(generator=dict(flow_estimator=None))
optim_wrapper = dict(paramwise_cfg=None)
custom_hooks = _base_.custom_hooks[:-1]  # there is nothing to freeze
