"""Networks on arrays of frames: tiling, precision, memory; no files but checkpoints."""

from .inferencer import VideoDeblurInferencer
from .model import init_model

__all__ = ['VideoDeblurInferencer', 'init_model']
