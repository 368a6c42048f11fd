"""Networks, losses and restorers for video deblurring."""

from . import backbones, flow_estimators, losses, priors, restorers

__all__ = ['backbones', 'flow_estimators', 'losses', 'priors', 'restorers']
