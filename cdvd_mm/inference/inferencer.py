"""A trained model for frames in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from mmengine.config import Config

from cdvd_mm.engine.config import load_config
from cdvd_mm.weights import default_model

from .frame_restorer import FrameRestorer, to_array
from .model import init_model
from .options import InferenceOptions


class FrameInferencer:
    """Restores sequences of arrays.

    >>> deblur = FrameInferencer('configs/cdvd_gopro.py', 'cdvd_gopro.pth', device='cuda')
    >>> sharp = list(deblur.restore(frames))

    Frames pass through one by one; memory does not grow with their number.

    Args:
        config (str | Config, optional): The config or its path. Default: the
            model that comes with the package.
        checkpoint (str, optional): Path of the checkpoint. Default: None,
            weights as initialised, or, without a config, those that come with
            the package.
        cfg_options (dict[str, Any], optional): Settings that override the config's.
        **options: Fields of :class:`~cdvd_mm.inference.options.InferenceOptions`.

    Attributes:
        model (nn.Module): The restorer.
        restorer (FrameRestorer): What feeds it.
        model_id (str): Tells models and their weights apart.

    Raises:
        FileNotFoundError: Config or checkpoint is not there.
        ValueError: No such device or precision, a checkpoint of another
            model, or a model that cannot be run frame by frame.
    """

    def __init__(self, config: str | Config | None = None, checkpoint: str | None = None,
                 cfg_options: dict[str, Any] | None = None, **options: Any) -> None:
        chosen = InferenceOptions(**options)
        if config is None:
            if checkpoint is not None:
                raise ValueError(f'{checkpoint} needs the config of its model')
            config, checkpoint = default_model()
        if not isinstance(config, Config):
            config = load_config(str(config))
        self.model = init_model(config, checkpoint, chosen.device, cfg_options)
        self.restorer = FrameRestorer(self.model, chosen.precision, chosen.tile, chosen.overlap,
                                      chosen.compile, chosen.clip_length, chosen.clip_overlap,
                                      chosen.graphs)
        self.model_id = _identify(config, checkpoint, cfg_options)

    def restore(self, frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Restore frames as they come.

        Args:
            frames (Iterable[np.ndarray]): (h, w, 3), RGB, uint8 or uint16.

        Yields:
            np.ndarray: As many restored frames, of the same shape and type.
        """
        self.restorer.reset()
        for frame in frames:
            yield from map(to_array, self.restorer.push(frame))
        yield from map(to_array, self.restorer.flush())


def _identify(config: Config, checkpoint: str | None, cfg_options: dict[str, Any] | None) -> str:
    """A name for a model and its weights."""
    digest = hashlib.sha256(f'{config.model};{cfg_options}'.encode())
    if checkpoint is not None:
        with open(checkpoint, 'rb') as file:
            for block in iter(lambda: file.read(1 << 20), b''):
                digest.update(block)
    return digest.hexdigest()[:16]
