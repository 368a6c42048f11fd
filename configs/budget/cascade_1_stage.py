"""One stage in place of two: its multiply-adds go into the restoration."""

_base_ = './cascade.py'

model = dict(
    generator=dict(num_frames=3, num_stages=1, reconstruction=dict(channels=(48, 96, 140))),
    stage_weights=[1.0])
train_dataloader = dict(dataset=dict(num_frames=3))
test_dataloader = dict(dataset=dict(num_frames=3))
