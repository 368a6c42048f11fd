"""Pictures in, restored pictures out, whatever the network needs in between."""

from __future__ import annotations

import collections
import logging
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from cdvd_mm.models.restorers.clip_testing import ClipTestingMixin
from cdvd_mm.models.restorers.fitted_size import FittedSizeMixin
from cdvd_mm.models.streaming import Streamer
from cdvd_mm.ops import pad_to_multiple, padded_size
from cdvd_mm.system import free_memory

from .clips import ClipRule
from .precision import OutOfMemoryError, choose_precision, computing, prepare_network
from .tiling import BYTES_PER_PIXEL, DEFAULT_OVERLAP, SMALLEST_TILE, TiledStreamer, choose_tile


class FrameRestorer:
    """Feeds pictures through a network, in order.

    Pads to the network's multiple and crops back, cuts large frames into
    tiles and long videos into clips (of networks that take clips), and, where
    the GPU's memory runs out, goes on with smaller tiles. It begins anew where
    the size of the frames changes.

    Args:
        model (nn.Module): A restorer with a ``generator``, as
            :func:`~cdvd_mm.inference.model.init_model` gives it, or the network
            itself. Other precisions than fp32 change it.
        precision (str): fp32, tf32, fp16 or bf16, see
            :func:`~cdvd_mm.inference.precision.prepare_network`; auto, see
            :func:`~cdvd_mm.inference.precision.choose_precision`.
        tile (int | str | None): Side of the tiles in pixels; 'auto' takes
            whole frames where memory allows and tiles otherwise; None never
            takes tiles.
        overlap (int): Overlap of tiles in pixels.
        compile (bool): Use torch.compile.
        clip_length (int | str | None): Frames that a clip network gets at
            once; 'auto': see :class:`~cdvd_mm.inference.clips.ClipRule`; None:
            the whole video, however long.
        clip_overlap (int, optional): Frames that neighbouring clips have in
            common. Default: None, see there.
        graphs (bool): Use CUDA graphs.

    Attributes:
        context (int): Frames on either side of a part of a video that have to
            come along for it to be restored as within the whole.

    Raises:
        ValueError: Unknown precision, impossible tile or clips, or a network
            that cannot be run frame by frame.
    """

    def __init__(self, model: nn.Module, precision: str = 'fp32', tile: int | str | None = 'auto',
                 overlap: int = DEFAULT_OVERLAP, compile: bool = False,
                 clip_length: int | str | None = 'auto',
                 clip_overlap: int | None = None, graphs: bool = False) -> None:
        if isinstance(tile, int) and tile < SMALLEST_TILE // 2:
            raise ValueError(f'tiles of {tile} pixels are too small: expected '
                             f'{SMALLEST_TILE // 2} or more, or auto')
        if isinstance(tile, str) and tile != 'auto':
            raise ValueError(f"unknown tile {tile!r}: expected a number of pixels, 'auto' or None")
        network: Any = model.generator if isinstance(model, FittedSizeMixin) else model
        self.device = next((p.device for p in network.parameters()), torch.device('cpu'))
        self.precision = choose_precision(network, self.device.type) if precision == 'auto' \
            else precision
        self.network: Any = prepare_network(network.eval(), self.precision, self.device.type,
                                            compile, graphs)
        usual = model.clip_length if isinstance(model, ClipTestingMixin) else None
        self.clips = ClipRule(self.network, clip_length, clip_overlap, usual)
        self.context = self.clips.make(self.clips.choose(1, 1, math.inf)).margin
        self.tile = tile
        self.overlap = overlap
        self._streamer: Any = None  # of whole frames or tiles
        # size of the frames, side of the tiles, length of the clips
        self._built: tuple[tuple[int, int], int | None, int | None] = ((0, 0), None, None)
        self._limit: int | None = None  # tiles no larger than this, once memory ran out
        self.reset()

    def reset(self) -> None:
        """Forget the current scene."""
        if self._streamer is not None:
            self._streamer.reset()
        self._shape: tuple[int, ...] | None = None
        self._pushed = 0
        self._given = 0
        self._surplus = 0  # frames to come that were given already, before memory ran out
        self._inputs: collections.deque[np.ndarray] = collections.deque()

    def push(self, image: np.ndarray) -> list[Tensor]:
        """Take the next picture.

        Args:
            image (np.ndarray): (h, w, 3), RGB, uint8 or uint16; of the size of
                the pictures before it.

        Returns:
            list[Tensor]: Restored pictures that became ready, in order:
            (h, w, 3), RGB, on the device; uint8, or int32 holding 16-bit
            numbers. :func:`to_array` fetches them.

        Raises:
            ValueError: Another size in the middle of a scene, or no picture.
        """
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype not in (np.uint8, np.uint16):
            raise ValueError('expected a picture (h, w, 3), RGB, uint8 or uint16, found '
                             f'{image.shape}, {image.dtype}')
        if self._shape is None:
            self._start(image)
        elif self._shape != image.shape or self._deep != (image.dtype == np.uint16):
            raise ValueError(f'the size changes within a scene: {self._shape} before, '
                             f'{image.shape} now; flush first')
        self._inputs.append(image)
        self._pushed += 1
        return self._run(lambda streamer: streamer.push(self._load(image)))

    def flush(self) -> list[Tensor]:
        """End the scene; give what is left of it (see :meth:`push`)."""
        if self._shape is None:
            return []
        restored = self._run(lambda streamer: streamer.flush(), flushing=True)
        self.reset()
        return restored

    def _start(self, image: np.ndarray) -> None:
        size = padded_size((image.shape[0], image.shape[1]), self.network.size_divisor,
                           self.network.min_size)
        self._deep = image.dtype == np.uint16
        free = free_memory(self.device)
        length = self.clips.choose(*size, free)
        tile = self._tile_for(size, length, free)
        if self._shape is None and self._streamer is not None \
                and self._built == (size, tile, length):
            self._streamer.reset()
        else:
            self._build(size, tile, length)
        self._inputs = collections.deque(maxlen=self._streamer.memory)
        self._shape = image.shape

    def _tile_for(self, size: tuple[int, int], clip_length: int | None,
                  free_bytes: float) -> int | None:
        tile = self.tile if isinstance(self.tile, int) else None
        if self.tile == 'auto':
            needed = BYTES_PER_PIXEL if clip_length is None \
                else self.clips.bytes_per_pixel(clip_length)
            tile = choose_tile(*size, free_bytes, needed)
            if tile is not None and self._limit is None:
                print_log(f'frames of {size[1]}x{size[0]} are restored in tiles of {tile} pixels: '
                          'that is what the free memory allows', 'current')
        if self._limit is not None:
            tile = self._limit if tile is None else min(tile, self._limit)
        if tile is not None:
            tile = max(tile, self.network.min_size)
        return None if tile is None or tile >= max(size) else tile

    def _build(self, size: tuple[int, int], tile: int | None, clip_length: int | None) -> None:
        self._streamer = None  # its memory is free before there is another one

        def make() -> Streamer:
            return self.clips.make(clip_length)

        self._streamer = make() if tile is None else TiledStreamer(
            make, *size, tile, self.overlap, self.network.size_divisor)
        self._built = (size, tile, clip_length)

    def _run(self, step: Callable[[Any], list[Tensor]], flushing: bool = False) -> list[Tensor]:
        try:
            with torch.no_grad(), computing(self.network, self.precision):
                restored = step(self._streamer)
        except OutOfMemoryError as error:
            restored, reason = None, str(error).splitlines()[0] if str(error) else 'out of memory'
        if restored is None:
            restored = self._replay(reason, flushing)
        else:
            surplus = min(self._surplus, len(restored))
            self._surplus -= surplus
            restored = restored[surplus:]
        self._given += len(restored)
        return [self._store(frame) for frame in restored]

    def _replay(self, reason: str, flushing: bool) -> list[Tensor]:
        """Do the step again in smaller tiles, from the frames that it rests on."""
        first = self._pushed - len(self._inputs)  # index of the oldest picture kept
        while True:
            size, tile, length = self._built
            smaller = (tile or min(max(size), 2048)) // 2 // 64 * 64
            if smaller < max(SMALLEST_TILE, self.network.min_size):
                raise OutOfMemoryError(
                    f'the memory of {self.device} does not suffice even for tiles of '
                    f'{tile or max(size)} pixels ({reason}); close other programs that use it, '
                    'or use --device cpu')
            self._streamer = None
            if self.device.type == 'cuda':
                torch.cuda.empty_cache()
            print_log(f'memory ran out ({reason}): going on in tiles of {smaller} pixels',
                      'current', logging.WARNING)
            self._limit = smaller
            self._build(size, smaller, length)
            try:
                with torch.no_grad(), computing(self.network, self.precision):
                    restored = []
                    for image in list(self._inputs):
                        restored += self._streamer.push(self._load(image))
                    if flushing:
                        restored += self._streamer.flush()
                ready = restored[self._given - first:]
                # clips begin elsewhere now: what they give may lag behind for a while
                self._surplus = self._given - first - (len(restored) - len(ready))
                return ready
            except OutOfMemoryError as error:
                reason = str(error).splitlines()[0] if str(error) else 'out of memory'

    def _load(self, image: np.ndarray) -> Tensor:
        """(h, w, 3) uint8 or uint16 -> (1, 3, h', w') in [0, 1]."""
        peak = 65535 if self._deep else 255
        array = image.astype(np.int32) if self._deep else np.ascontiguousarray(image)
        frame = torch.from_numpy(array).to(self.device, non_blocking=True)
        frame = frame.permute(2, 0, 1)[None].float().div_(peak)
        return pad_to_multiple(frame, self.network.size_divisor,
                               self.network.min_size).contiguous()

    def _store(self, frame: Tensor) -> Tensor:
        """(1, 3, h', w') -> (h, w, 3), rounded."""
        assert self._shape is not None
        height, width = self._shape[:2]
        peak, dtype = (65535, torch.int32) if self._deep else (255, torch.uint8)
        frame = frame[0, :, :height, :width].float().clamp(0, 1).mul_(peak).round_()
        return frame.to(dtype).permute(1, 2, 0).contiguous()


def to_array(frame: Tensor) -> np.ndarray:
    """Fetch a picture of :class:`FrameRestorer`: (h, w, 3), RGB, uint8 or uint16."""
    array = frame.cpu().numpy()
    return array.astype(np.uint16) if array.dtype == np.int32 else array
