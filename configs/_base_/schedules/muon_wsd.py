"""Muon at a constant rate after a short warm-up, then down to zero: 100,000 steps of 8 windows.

A training goes on beyond its end from the last checkpoint before the rate began to fall.
"""

max_iters = 100_000
anneal = 20_000  # steps in which the rate falls

train_cfg = dict(
    type='ResumableTrainLoop', max_iters=max_iters, val_interval=max_iters, total_batch_size=8)
val_cfg = dict(type='MultiValLoop')
test_cfg = dict(type='MultiTestLoop')

optim_wrapper = dict(
    type='GuardedOptimWrapper',
    optimizer=dict(type='MuonAdamW', lr=0.003, momentum=0.95, vector_lr=1e-3),
    clip_grad=dict(max_norm=1.0),
    dtype='auto')
param_scheduler = [
    dict(type='LinearLR', by_epoch=False, start_factor=0.01, begin=0, end=300),
    dict(type='LinearLR', by_epoch=False, start_factor=1.0, end_factor=0.0,
         begin=max_iters - anneal, end=max_iters),
]
