"""Networks that restore frames, one a file."""

from .cdvd_net import CDVDNet
from .edvr_deblur_net import EDVRDeblurNet
from .stfan_net import STFANNet

__all__ = ['CDVDNet', 'EDVRDeblurNet', 'STFANNet']
