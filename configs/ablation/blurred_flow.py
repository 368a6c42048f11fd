"""The flow of every stage from the blurred frames, not from restored ones."""

_base_ = '../_base_/ablation.py'

model = dict(generator=dict(flow_source='blurred'))
