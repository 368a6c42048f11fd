"""GOPRO (Nah et al., Deep Multi-scale CNN for Dynamic Scene Deblurring, CVPR 2017)."""

from __future__ import annotations

from cdvd_mm.registry import DATASETS

from .official import GOPRO_TEST
from .video_deblur import VideoDeblurDataset


@DATASETS.register_module()
class GoProDataset(VideoDeblurDataset):
    """GOPRO: 22 training and 11 test videos, as published or as CDVD-TSP repacked it.

    Published: ``{train,test}/<video>/{blur,blur_gamma,sharp}/000001.png``, of which the linear
    ``blur`` is used and ``blur_gamma`` never. Repacked: ``{train,test}/{blur,gt}/<video>/<frame>``.
    What ``tools/dataset_converters/synthesise.py`` writes has the published layout. Arguments: see
    :class:`VideoDeblurDataset`.
    """

    METAINFO = dict(dataset_type='gopro', task_name='video_deblurring')
    LAYOUTS = ('gopro', 'repacked')
    OFFICIAL_TEST_VIDEOS = GOPRO_TEST
    #: (videos, frames) of either split as published.
    OFFICIAL_COUNTS = dict(train=(22, 2103), test=(11, 1111))
    OFFICIAL_SIZE = (720, 1280)
    #: Frames of the test videos that do not have 100.
    OFFICIAL_TEST_FRAMES = {'GOPR0410_11_00': 134, 'GOPR0862_11_00': 77}
