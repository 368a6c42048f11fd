"""Training patches, loaders and evaluation of CDVD-TSP, for either dataset.

8 GPUs x 1 window is the paper's batch of 8. The windows are those of each video's first 100 frames.
"""

num_frames = 5

meta_keys = ['key', 'video', 'frame_index', 'video_length', 'frame_indices', 'scored_frames',
             'frame_keys']
train_pipeline = [
    dict(type='LoadVideoFrames', crop_size=256),
    dict(type='Flip', keys=['img', 'gt'], flip_ratio=0.5, direction='horizontal'),
    dict(type='Flip', keys=['img', 'gt'], flip_ratio=0.5, direction='vertical'),
    # with the flips: rotation by 90 degrees
    dict(type='RandomTransposeHW', keys=['img', 'gt'], transpose_ratio=0.5),
    dict(type='PackInputs', meta_keys=meta_keys),
]
test_pipeline = [
    dict(type='LoadVideoFrames', cache_frames=num_frames + 1),
    dict(type='PackInputs', meta_keys=meta_keys),
]

train_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        split='train',
        num_frames=num_frames,
        frames_per_video=100,
        pipeline=train_pipeline))

test_dataloader = dict(
    batch_size=1,
    batch_sampler=dict(type='SameSizeBatchSampler'),  # the sizes of videos differ
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='VideoRunSampler'),
    dataset=dict(
        split='test',
        num_frames=num_frames,
        skip_ends=2,
        pipeline=test_pipeline,
        test_mode=True))
val_dataloader = test_dataloader

test_evaluator = dict(
    type='Evaluator', metrics=[dict(type='VideoDeblurMetric', protocol='cdvd-tsp')])
val_evaluator = test_evaluator
