"""Operators, one a file; they import torch alone."""

from .filter_adaptive_conv import filter_adaptive_conv

__all__ = ['filter_adaptive_conv']
