"""Read the frames of a sample, or the same patch of all of them."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
from mmcv.transforms import BaseTransform

from cdvd_mm.datasets.frames import read_frame
from cdvd_mm.datasets.records import FrameError
from cdvd_mm.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadVideoFrames(BaseTransform):
    """Read the blurred and sharp frames of a sample, cropped to one random patch if asked to.

    The patch is drawn before anything is read, from the size that the dataset found in the frames'
    headers: a frame store then reads and decodes the patch alone, and of frames in files only one
    is held whole at a time. MMagic's ``LoadImageFromFile`` and ``PairedRandomCrop`` do the same to
    the pixels, but decode all frames of the window before they crop, and do not name a broken one.

    Required keys: ``img_path``, ``frame_size``; ``gt_path`` where there is ground truth.

    Added keys:

    * ``img``: list of (h, w, 3) uint8, RGB;
    * ``gt``: likewise, or one array where ``gt_path`` is one path;
    * ``img_channel_order``, ``gt_channel_order``: 'RGB'; ``ori_img_shape``: (h, w, 3) of the frame;
    * ``crop_box``: ``(top, left, height, width)``, with ``crop_size``.

    Args:
        crop_size: Side of the patch, or its (height, width); ``None`` for whole frames.
        cache_frames: Keep so many whole frames decoded, for windows that follow each other in
            testing (not with ``crop_size``).

    Raises:
        FrameError: A frame is missing or broken; the message names it.
        ValueError: The frames are smaller than the patch.
    """

    def __init__(self, crop_size: int | tuple[int, int] | None = None,
                 cache_frames: int = 0) -> None:
        size = [crop_size, crop_size] if isinstance(crop_size, int) else list(crop_size or ())
        if crop_size is not None:
            if len(size) != 2 or min(size) < 1:
                raise ValueError('crop_size must be a positive number or a pair of them, found '
                                 f'{crop_size}')
            if cache_frames:
                raise ValueError('cache_frames keeps whole frames and cannot be used with '
                                 'crop_size')
        self.crop_size = (size[0], size[1]) if size else None
        self.cache_frames = cache_frames
        self._cache: OrderedDict[str, np.ndarray] = OrderedDict()

    def transform(self, results: dict) -> dict:
        """Read the frames; see the class."""
        height, width = results['frame_size']
        box = None
        if self.crop_size:
            box = _draw_box(self.crop_size, (height, width), results.get('key'))
        size = box[2:] if box else (height, width)
        results['img'] = [self._read(path, box, size) for path in results['img_path']]
        results['img_channel_order'] = 'RGB'
        results['ori_img_shape'] = (height, width, 3)
        if box:
            results['crop_box'] = box
        gt_path = results.get('gt_path')
        if gt_path is not None:
            results['gt_channel_order'] = 'RGB'
            if isinstance(gt_path, str):
                results['gt'] = self._read(gt_path, box, size, cache=False)
            else:
                results['gt'] = [self._read(path, box, size, cache=False) for path in gt_path]
        return results

    def _read(self, path: str, box, size: tuple[int, int], cache: bool = True) -> np.ndarray:
        cache = cache and self.cache_frames > 0
        if cache and path in self._cache:
            self._cache.move_to_end(path)
            return self._cache[path]
        frame = read_frame(path, box)
        if frame.shape[:2] != size:
            raise FrameError(path, f'the frame has changed its size, expected '
                             f'{size[1]}x{size[0]}, found {frame.shape[1]}x{frame.shape[0]}',
                             'do not change data that is in use, start again')
        if cache:
            self._cache[path] = frame
            while len(self._cache) > self.cache_frames:
                self._cache.popitem(last=False)
        return frame

    def __repr__(self) -> str:
        return (f'{type(self).__name__}(crop_size={self.crop_size}, '
                f'cache_frames={self.cache_frames})')


def _draw_box(crop_size: tuple[int, int], size: tuple[int, int],
              key: str | None) -> tuple[int, int, int, int]:
    (crop_height, crop_width), (height, width) = crop_size, size
    if height < crop_height or width < crop_width:
        raise ValueError(f'{key}: frames of {width}x{height} are smaller than the patch of '
                         f'{crop_width}x{crop_height}')
    top = int(np.random.randint(0, height - crop_height + 1))
    left = int(np.random.randint(0, width - crop_width + 1))
    return top, left, crop_height, crop_width
