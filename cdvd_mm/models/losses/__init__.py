"""Losses that MMagic does not have."""

from .frequency_loss import FrequencyLoss
from .hard_example_mining_loss import HardExampleMiningLoss
from .log_error_loss import LogErrorLoss
from .pixel_charbonnier_loss import PixelCharbonnierLoss

__all__ = ['FrequencyLoss', 'HardExampleMiningLoss', 'LogErrorLoss', 'PixelCharbonnierLoss']
