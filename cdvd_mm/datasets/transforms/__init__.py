"""Transforms: MMagic's, and what they do not suffice for."""

import mmagic.datasets.transforms  # noqa: F401  (registers Flip, PackInputs ...)

from .loading import LoadVideoFrames

__all__ = ['LoadVideoFrames']
