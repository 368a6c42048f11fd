"""CDVD-TSP on DVD: 8 GPUs x 1 window of 256x256, 500 epochs (Pan et al., CVPR 2020)."""

_base_ = [
    '_base_/models/cdvd.py', '_base_/datasets/dvd.py', '_base_/schedules/cdvd_500e.py',
    '_base_/default_runtime.py'
]
