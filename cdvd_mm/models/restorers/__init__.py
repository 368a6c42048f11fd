"""The MMagic side of the networks: losses, train and test steps."""

from .cascaded_restorer import CascadedRestorer

__all__ = ['CascadedRestorer']
