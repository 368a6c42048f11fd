"""Without the temporal sharpness prior."""

_base_ = '../_base_/ablation.py'

model = dict(generator=dict(prior=None))
