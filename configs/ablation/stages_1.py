"""1 stage, 3 frames."""

_base_ = '../_base_/ablation.py'

num_frames = 3
model = dict(generator=dict(num_frames=3, num_stages=1), stage_milestones=None,
             stage_weights=None)
train_dataloader = dict(dataset=dict(num_frames=3))
val_dataloader = dict(dataset=dict(num_frames=3))
test_dataloader = dict(dataset=dict(num_frames=3))
