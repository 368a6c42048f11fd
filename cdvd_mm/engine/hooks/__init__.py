"""Hooks of the training and test loops."""

from .checkpoint_check_hook import CheckpointCheckHook
from .progress_bar_hook import ProgressBarHook
from .time_budget_hook import TimeBudgetHook

__all__ = ['CheckpointCheckHook', 'ProgressBarHook', 'TimeBudgetHook']
