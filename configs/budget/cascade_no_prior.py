"""The compact cascade without the prior."""

_base_ = './cascade.py'

model = dict(generator=dict(prior=None))
