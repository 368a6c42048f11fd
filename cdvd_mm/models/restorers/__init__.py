"""The MMagic side of the networks: losses, train and test steps."""

from .cascaded_restorer import CascadedRestorer
from .clip_restorer import ClipRestorer
from .flow_trainer import FlowTrainer
from .mmagic_restorers import BasicVSRDeblur, EDVRDeblur
from .recurrent_restorer import RecurrentRestorer

__all__ = ['BasicVSRDeblur', 'CascadedRestorer', 'ClipRestorer', 'EDVRDeblur', 'FlowTrainer',
           'RecurrentRestorer']
