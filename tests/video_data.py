"""Tiny datasets on disk."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.registry import DefaultScope

LAYOUTS = {
    'gopro': '{split}/{video}/{kind}/{number:06d}.png',
    'dvd': 'quantitative_datasets/{video}/{kind}/{number:05d}.jpg',
    'repacked': '{split}/{kind}/{video}/{number:05d}.png',
    'bsd': 'BSD_1ms8ms/{split}/{video}/{kind}/RGB/{number:08d}.png',
    'reds': '{split}_{kind}/{video}/{number:08d}.png',
}
KINDS = {'gopro': ('blur', 'sharp'), 'dvd': ('input', 'GT'), 'repacked': ('blur', 'gt'),
         'bsd': ('Blur', 'Sharp'), 'reds': ('blur', 'sharp')}


def save(path: Path, image: np.ndarray) -> None:
    """Write an RGB (or grey, or RGBA) picture under any name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    order = {3: [2, 1, 0], 4: [2, 1, 0, 3]}
    if image.ndim == 3:
        image = image[..., order[image.shape[2]]]
    path.write_bytes(cv2.imencode(path.suffix, image)[1].tobytes())


def frame(video: str, number: int, kind: str, size=(48, 64)) -> np.ndarray:
    """A smooth picture with its own colours for every video, frame and kind."""
    is_sharp = kind in ('sharp', 'Sharp', 'GT', 'gt')
    rng = np.random.default_rng([sum(map(ord, video)), number, is_sharp])
    small = rng.integers(0, 256, (size[0] // 8 + 1, size[1] // 8 + 1, 3), dtype=np.uint8)
    return cv2.resize(small, size[::-1], interpolation=cv2.INTER_LINEAR)


@pytest.fixture
def make_dataset(tmp_path):
    """Function that writes a dataset: ``make(layout, train={'a': 6}, test={'b': 7})``."""

    def make(layout='gopro', root=None, first=1, size=(48, 64), kinds=None, **splits) -> Path:
        root = tmp_path / 'data' if root is None else Path(root)
        for split, videos in splits.items():
            for video, length in videos.items():
                for kind in kinds or KINDS[layout]:
                    for number in range(first, first + length):
                        path = root / LAYOUTS[layout].format(split=split, video=video, kind=kind,
                                                             number=number)
                        shape = size[video] if isinstance(size, dict) else size
                        save(path, frame(video, number, kind, shape))
        return root

    return make


@pytest.fixture(autouse=True)
def default_scope():
    with DefaultScope.overwrite_default_scope('cdvd_mm'):
        yield
