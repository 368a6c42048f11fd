"""Optical flow."""

from .mmflow_estimator import MMFlowEstimator

__all__ = ['MMFlowEstimator']
