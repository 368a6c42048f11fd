"""The base of the ablation: 2 stages, prior as released, flow of RAFT-small."""

_base_ = '../_base_/ablation.py'
