"""3 stages, 7 frames; they switch on after a third and two thirds."""

_base_ = '../_base_/ablation.py'

num_frames = 7
third = _base_.max_iters // 3
model = dict(
    generator=dict(num_frames=7, num_stages=3), stage_milestones=[third, 2 * third],
    stage_weights=[1.0, 5 / 3, 5.0])
train_dataloader = dict(dataset=dict(num_frames=7))
val_dataloader = dict(dataset=dict(num_frames=7))
test_dataloader = dict(dataset=dict(num_frames=7))
