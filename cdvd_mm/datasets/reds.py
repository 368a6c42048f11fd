"""REDS (Nah et al., NTIRE 2019 Challenge on Video Deblurring and Super-Resolution)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from cdvd_mm.registry import DATASETS

from .video_deblur import T, VideoDeblurDataset

REDS4 = ('000', '011', '015', '020')


@DATASETS.register_module()
class REDSDataset(VideoDeblurDataset):
    """REDS with motion blur: 240 training and 30 validation videos of 100 frames, 1280x720.

    As published: ``{train,val}_{blur,sharp}/<video>/00000000.png``. The challenge's own test videos
    have no public sharp frames; the split 'test' is the validation videos.

    Args:
        data_root: Folder of the dataset, or several.
        split: 'train' or 'test'.
        reds4: Regroup as EDVR and its successors: test on the *training* videos 000, 011, 015 and
            020, train on the other 236 and the 30 validation videos, which are named 240 to 269.
        **kwargs: See :class:`VideoDeblurDataset`.
    """

    METAINFO = dict(dataset_type='reds', task_name='video_deblurring')
    LAYOUTS = ('reds', )
    #: (videos, frames) of each split as published.
    OFFICIAL_COUNTS = dict(train=(240, 24000), test=(30, 3000))
    OFFICIAL_SIZE = (720, 1280)

    def __init__(self, data_root: str | Sequence[str], split: str = 'train', reds4: bool = False,
                 **kwargs) -> None:
        self.reds4 = reds4
        super().__init__(data_root, split, **kwargs)

    def splits_on_disk(self) -> tuple[str, ...]:
        """The training videos in any case with REDS4; see the base."""
        if not self.reds4:
            return super().splits_on_disk()
        return ('train', 'test') if self.split == 'train' else ('train', )

    def choose(self, split: str, videos: Sequence[T]) -> list[T]:
        """Regroup for REDS4; see the base."""
        if not self.reds4:
            return super().choose(split, videos)
        if split == 'test':
            return [dataclasses.replace(video, name=f'{240 + int(video.name)}')
                    if video.name.isdecimal() else video for video in videos]
        return [video for video in videos if (video.name in REDS4) == (self.split == 'test')]
