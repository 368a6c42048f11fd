"""Networks that restore frames, one a file."""

from .cdvd_net import CDVDNet
from .stfan_net import STFANNet

__all__ = ['CDVDNet', 'STFANNet']
