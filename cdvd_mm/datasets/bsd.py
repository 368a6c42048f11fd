"""BSD (Zhong et al., Efficient Spatio-Temporal Recurrent Neural Network, ECCV 2020)."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from cdvd_mm.registry import DATASETS

from .frame_store import is_store
from .layouts import sub_folders
from .video_deblur import VideoDeblurDataset

EXPOSURES = ('1ms8ms', '2ms16ms', '3ms24ms')
"""Exposure of the sharp and of the blurred frames."""


@DATASETS.register_module()
class BSDDataset(VideoDeblurDataset):
    """BSD: real pairs through a beam splitter, three exposures, 640x480.

    Each exposure has 60 training, 20 validation and 20 test videos in a folder of its own, such as
    ``BSD_1ms8ms/{train,valid,test}/<video>/{Blur,Sharp}/RGB/00000000.png``. The name of that folder
    is assumed: any with the two exposures in it is found.

    Args:
        data_root: The folder of an exposure, or that of all of them, or several.
        split: 'train', 'valid' or 'test'.
        exposure: '1ms8ms', '2ms16ms' or '3ms24ms': which folder to take. ``None``: the only one.
        **kwargs: See :class:`VideoDeblurDataset`.

    Raises:
        ValueError: An unknown exposure, or several to choose from and none chosen.
        FileNotFoundError: The exposure is not there.
    """

    METAINFO = dict(dataset_type='bsd', task_name='video_deblurring')
    SPLITS = ('train', 'valid', 'test')
    LAYOUTS = ('bsd', )
    #: (videos, frames) of each split as published; the length of validation videos is not known.
    OFFICIAL_COUNTS = dict(train=(60, 6000), valid=(20, None), test=(20, 3000))
    OFFICIAL_SIZE = (480, 640)

    def __init__(self, data_root: str | Sequence[str], split: str = 'train',
                 exposure: str | None = None, **kwargs) -> None:
        roots = [data_root] if isinstance(data_root, (str, os.PathLike)) else data_root
        super().__init__([self.find_root(os.fspath(root), exposure) for root in roots], split,
                         **kwargs)

    @classmethod
    def find_root(cls, root: str, exposure: str | None = None) -> str:
        """The folder of an exposure; see the class."""
        if exposure is not None and exposure not in EXPOSURES:
            raise ValueError(f'exposure must be one of {", ".join(EXPOSURES)}, found {exposure!r}')
        if not os.path.isdir(root) or is_store(root):
            return root
        folders = sub_folders(root)
        if set(cls.SPLITS) & set(folders):
            found = _exposure(os.path.basename(os.path.abspath(root)))
            if exposure is not None and found not in (None, exposure):
                raise ValueError(f'{root} is the folder of {found}, not of {exposure}')
            return root
        chosen = [name for name in folders
                  if _exposure(name) is not None and exposure in (None, _exposure(name))]
        if len(chosen) > 1:
            raise ValueError(f'{root} has several exposures, {", ".join(chosen)}: choose one '
                             f'(exposure={_exposure(chosen[0])!r}), or give its folder')
        if not chosen and exposure is not None:
            raise FileNotFoundError(f'no folder of exposure {exposure} in {root}, such as '
                                    f'BSD_{exposure}; found {folders[:10]}')
        return os.path.join(root, chosen[0]) if chosen else root


def _exposure(name: str) -> str | None:
    """'BSD_1ms8ms', '1ms-8ms' and the like to '1ms8ms'."""
    found = re.search(r'(\d+) ?ms\D*(\d+) ?ms', name)
    return f'{found[1]}ms{found[2]}ms' if found else None
