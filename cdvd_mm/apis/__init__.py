"""What users call: inference on videos, training, testing; what ``tools/`` call."""

from cdvd_mm.models.streaming import StreamingCascade, build_streamer

from .video_inferencer import VideoDeblurInferencer

__all__ = ['StreamingCascade', 'VideoDeblurInferencer', 'build_streamer']
