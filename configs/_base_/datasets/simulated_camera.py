"""Films by a simulated camera for training, pairs averaged from sharp footage for testing.

``clips`` are videos of sharp frames, ``pictures`` files and folders of them; one of the two may be
empty. Test pairs: tools/dataset_converters/synthesise.py VIDEO --out data/averaged --split test
"""

_base_ = './gopro.py'

num_frames = 5
train_dataloader = dict(
    _delete_=True,
    batch_size=8,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),  # sample after sample, without end
    dataset=dict(
        type='SimulatedCameraDataset',
        clips=[],
        pictures=['scikit-image', 'dead-leaves'],
        num_frames=num_frames,
        film_size=128,
        crop_size=96,
        still=0.12,
        max_speed=(6, 16),
        min_psnr=(25, 18),
        curriculum=200_000,
        pipeline=[dict(type='PackInputs', meta_keys=['key'])]))

test_dataloader = dict(dataset=dict(data_root='data/averaged', num_frames=num_frames, skip_ends=0))
val_dataloader = test_dataloader
test_evaluator = dict(metrics=[dict(type='VideoDeblurMetric', protocol='all-frames')])
val_evaluator = test_evaluator
