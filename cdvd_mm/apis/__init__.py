"""What users call: inference on videos, training, testing; what ``tools/`` call."""

from .video_inferencer import VideoDeblurInferencer

__all__ = ['VideoDeblurInferencer']
