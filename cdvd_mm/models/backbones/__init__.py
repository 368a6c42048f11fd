"""Networks that restore frames, one a file."""

from .stfan_net import STFANNet

__all__ = ['STFANNet']
