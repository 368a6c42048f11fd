"""BasicVSR++ on GOPRO: 8 GPUs x one sequence of 30 frames of 256x256, 600,000 iterations."""

_base_ = [
    '../_base_/models/basicvsr_pp.py', '../_base_/datasets/gopro.py',
    '../_base_/schedules/basicvsr_pp_600k.py', '../_base_/iter_runtime.py'
]

test_pipeline = [dict(type='LoadVideoFrames'),
                 dict(type='PackInputs', meta_keys={{_base_.meta_keys}})]

train_dataloader = dict(
    num_workers=6,
    dataset=dict(mode='video', run_length=30, frames_per_video=None, repeat=1))
# whole videos
test_dataloader = dict(num_workers=1, dataset=dict(mode='video', pipeline=test_pipeline))
val_dataloader = test_dataloader
