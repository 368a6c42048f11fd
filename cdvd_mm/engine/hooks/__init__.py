"""Hooks of the training and test loops."""

from .checkpoint_check_hook import CheckpointCheckHook
from .progress_bar_hook import ProgressBarHook

__all__ = ['CheckpointCheckHook', 'ProgressBarHook']
