"""Datasets of blurred and sharp videos."""

from .bsd import BSDDataset
from .dvd import DVDDataset
from .gopro import GoProDataset
from .reds import REDSDataset
from .samplers import SameSizeBatchSampler, VideoRunSampler
from .simulated_camera import SimulatedCameraDataset
from .transforms import LoadVideoFrames
from .video_deblur import VideoDeblurDataset

__all__ = ['BSDDataset', 'DVDDataset', 'GoProDataset', 'LoadVideoFrames', 'REDSDataset',
           'SameSizeBatchSampler', 'SimulatedCameraDataset', 'VideoDeblurDataset',
           'VideoRunSampler']
