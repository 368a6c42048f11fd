"""Losses that MMagic does not have."""

from .hard_example_mining_loss import HardExampleMiningLoss

__all__ = ['HardExampleMiningLoss']
