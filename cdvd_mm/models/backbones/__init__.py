"""Networks that restore frames, one a file."""

from .cdvd_net import CDVDNet
from .cdvd_net_nl import CDVDNetNL
from .cdvd_net_variants import SingleFrameCDVDNet
from .dstnet_plus import DSTNetPlus
from .edvr_deblur_net import EDVRDeblurNet
from .estrnn_net import ESTRNNNet
from .stfan_net import STFANNet
from .window_unet import TripleUNet, WindowUNet

__all__ = ['CDVDNet', 'CDVDNetNL', 'DSTNetPlus', 'EDVRDeblurNet', 'ESTRNNNet', 'STFANNet',
           'SingleFrameCDVDNet', 'TripleUNet', 'WindowUNet']
