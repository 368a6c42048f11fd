"""DVD (Su et al., Deep Video Deblurring for Hand-held Cameras, CVPR 2017)."""

from __future__ import annotations

from cdvd_mm.registry import DATASETS

from .official import DVD_TEST
from .video_deblur import VideoDeblurDataset


@DATASETS.register_module()
class DVDDataset(VideoDeblurDataset):
    """DVD: 61 training and 10 test videos, as published or as CDVD-TSP repacked it.

    Published: ``quantitative_datasets/<video>/{input,GT}/00000.jpg`` without split folders (the
    split is by the names below). Repacked: ``{train,test}/{blur,gt}/<video>/<frame>``. Frame sizes
    differ between videos (1080p and portrait clips among them). Arguments: see
    :class:`VideoDeblurDataset`.
    """

    METAINFO = dict(dataset_type='dvd', task_name='video_deblurring')
    LAYOUTS = ('dvd', 'repacked')
    OFFICIAL_TEST_VIDEOS = DVD_TEST
    #: (videos, frames) of either split as published.
    OFFICIAL_COUNTS = dict(train=(61, 5708), test=(10, 1000))
    #: Frames of the test videos that do not have 100.
    OFFICIAL_TEST_FRAMES: dict[str, int] = {}
