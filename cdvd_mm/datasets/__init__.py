"""Datasets of blurred and sharp videos."""

from .dvd import DVDDataset
from .gopro import GoProDataset
from .samplers import VideoRunSampler
from .simulated_camera import SimulatedCameraDataset
from .transforms import LoadVideoFrames
from .video_deblur import VideoDeblurDataset

__all__ = ['DVDDataset', 'GoProDataset', 'LoadVideoFrames', 'SimulatedCameraDataset',
           'VideoDeblurDataset', 'VideoRunSampler']
