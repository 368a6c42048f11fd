"""The prior as the paper's equations (10) and (11) have it."""

_base_ = '../_base_/ablation.py'

model = dict(generator=dict(prior=dict(form='paper')))
