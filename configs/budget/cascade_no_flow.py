"""The compact cascade without flow: its multiply-adds go into the restoration."""

_base_ = './cascade.py'

model = dict(generator=dict(flow_estimator=None, reconstruction=dict(channels=(36, 72, 108))))
custom_hooks = _base_.custom_hooks[:-1]  # there is nothing to freeze
