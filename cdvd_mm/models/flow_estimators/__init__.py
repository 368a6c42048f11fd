"""Optical flow."""

from .mmflow_estimator import MMFlowEstimator
from .spynet_estimator import SpyNetEstimator

__all__ = ['MMFlowEstimator', 'SpyNetEstimator']
