"""Networks, losses and restorers for video deblurring."""

from . import backbones, flow_estimators, losses, priors, restorers, weight_init

__all__ = ['backbones', 'flow_estimators', 'losses', 'priors', 'restorers',
           'weight_init']
