"""CDVD-TSP on BSD, 1-8 ms: 8 GPUs x 1 window of 256x256, 500 epochs, as on GOPRO.

The other exposures: --cfg-options with train_dataloader.dataset.exposure=2ms16ms and so on.
"""

_base_ = [
    '_base_/models/cdvd.py', '_base_/datasets/bsd.py', '_base_/schedules/cdvd_500e.py',
    '_base_/default_runtime.py'
]
