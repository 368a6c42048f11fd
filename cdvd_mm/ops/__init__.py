"""Operators, one a file; they import torch alone."""

from .attention import sliced_attention
from .correlation import correlation, correlation_torch
from .filter_adaptive_conv import filter_adaptive_conv
from .flow_warp import flow_warp, flow_warp_torch, validity_mask, warp_with_mask
from .pad import pad_to_multiple, padded_size, run_padded
from .triple_input import triple_input, triple_input_torch

__all__ = [
    'correlation', 'correlation_torch', 'filter_adaptive_conv', 'flow_warp', 'flow_warp_torch',
    'pad_to_multiple', 'padded_size', 'run_padded', 'sliced_attention', 'triple_input',
    'triple_input_torch', 'validity_mask', 'warp_with_mask'
]
