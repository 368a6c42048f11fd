"""Hooks of the training and test loops."""

from .checkpoint_hooks import CheckpointCheckHook, SafeCheckpointHook
from .interrupt_hook import InterruptHook
from .monitor_hooks import StageMonitorHook, TrainingMonitorHook
from .network_hooks import ActivationCheckpointingHook, CompileHook, FreezeHook
from .non_finite_hook import NonFiniteHook
from .progress_bar_hook import ProgressBarHook
from .time_budget_hook import StepTimeHook, TimeBudgetHook

__all__ = ['ActivationCheckpointingHook', 'CheckpointCheckHook', 'CompileHook', 'FreezeHook',
           'InterruptHook', 'NonFiniteHook', 'ProgressBarHook', 'SafeCheckpointHook',
           'StageMonitorHook', 'StepTimeHook', 'TimeBudgetHook', 'TrainingMonitorHook']
