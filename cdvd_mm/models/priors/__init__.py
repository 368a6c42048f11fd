"""Priors that guide the restoration."""

from .temporal_sharpness_prior import TemporalSharpnessPrior

__all__ = ['TemporalSharpnessPrior']
