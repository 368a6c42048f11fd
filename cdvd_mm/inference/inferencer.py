"""A trained model for videos, as an inferencer of MMEngine."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
from mmengine.config import Config
from mmengine.infer import BaseInferencer

from cdvd_mm.registry import INFERENCERS


@INFERENCERS.register_module()
class VideoDeblurInferencer(BaseInferencer):
    """Restores videos, folders of frames and sequences of arrays.

    >>> deblur = VideoDeblurInferencer('configs/cdvd_gopro.py', 'cdvd_gopro.pth')
    >>> deblur('shaky.mp4', 'sharp.mp4')
    >>> sharp = list(deblur.restore(frames))

    Frames pass through one by one; memory does not grow with the video.

    Args:
        config (str | Config): The config or its path.
        checkpoint (str, optional): Path of the checkpoint. Default: None,
            weights as initialised.
        device (str): 'auto', 'cpu', 'cuda' or 'cuda:1'.
        precision (str): fp32, tf32, fp16 or bf16.
        tile (int | str | None): Side of tiles in pixels, 'auto' (tiles where
            memory is short) or None.
        overlap (int): Overlap of tiles in pixels.
        compile (bool): Use torch.compile.
        options (dict, optional): Settings that override the config's.

    Raises:
        FileNotFoundError: Config or checkpoint is not there.
        ValueError: No such device or precision, a checkpoint of another
            model, or a model that cannot be run frame by frame.
    """

    def __init__(self,
                 config: str | Config,
                 checkpoint: str | None = None,
                 device: str = 'auto',
                 precision: str = 'fp32',
                 tile: int | str | None = 'auto',
                 overlap: int = 96,
                 compile: bool = False,
                 options: dict | None = None) -> None:
        from cdvd_mm.engine.launch import load_config

        from .frame_restorer import FrameRestorer
        from .model import init_model
        if not isinstance(config, Config):
            config = load_config(str(config))
        self.model = init_model(config, checkpoint, device, options)
        self.restorer = FrameRestorer(self.model, precision, tile, overlap, compile)
        self.model_id = _identify(config, checkpoint, options)

    def restore(self, frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Restore frames as they come.

        Args:
            frames (Iterable[np.ndarray]): (h, w, 3), RGB, uint8 or uint16.

        Yields:
            np.ndarray: As many restored frames, of the same shape and type.
        """
        from .frame_restorer import to_array
        self.restorer.reset()
        for frame in frames:
            yield from map(to_array, self.restorer.push(frame))
        yield from map(to_array, self.restorer.flush())

    def __call__(self, inputs: str | Path | Iterable[np.ndarray],
                 output: str | Path | None = None,
                 on_frame: Callable[[int, int], None] | None = None,
                 **options: object) -> dict:
        """Restore a video.

        Args:
            inputs (str | Path | Iterable[np.ndarray]): Video file, folder of
                frames, or frames (h, w, 3), RGB.
            output (str | Path, optional): Video file or folder to write.
                Without it the frames are returned; mind the memory.
            on_frame (Callable, optional): Called with the number of frames
                done and expected.
            **options: Fields of :class:`~cdvd_mm.deblur.DeblurOptions`.

        Returns:
            dict: ``predictions``: the restored frames, or the path of the
            output; ``report``: a
            :class:`~cdvd_mm.deblur.DeblurReport` where one was written.

        Raises:
            ValueError: See :func:`~cdvd_mm.deblur.deblur_video`.
        """
        from cdvd_mm.deblur.job import deblur_video
        from cdvd_mm.deblur.options import DeblurOptions
        is_path = isinstance(inputs, (str, Path))
        if output is not None:
            if not is_path:
                raise ValueError('an output is written from a video file or a folder of frames; '
                                 'for frames in memory use restore()')
            report = deblur_video(self.restorer, inputs, output, DeblurOptions(**options),
                                  self.model_id, on_frame)
            return {'predictions': str(report.output), 'report': report}
        if options:
            raise ValueError(f'{", ".join(options)}: only for an output that is written')
        if is_path:
            from cdvd_mm.video.reader import open_reader
            with open_reader(inputs) as reader:
                inputs = (frame.image for frame in reader.frames())
                return {'predictions': list(self.restore(inputs))}
        return {'predictions': list(self.restore(inputs))}

    # MMEngine's hooks between its own steps, which a stream does not have

    def _init_pipeline(self, cfg: object) -> None:
        return None

    def visualize(self, inputs: list, preds: object, show: bool = False,
                  **kwargs: object) -> None:
        """Nothing is shown: write side by side with ``compare=True``."""
        return None

    def postprocess(self, preds: object, visualization: object = None, return_datasample=False,
                    **kwargs: object) -> dict:
        """Pack predictions as MMEngine's inferencers do."""
        return {'predictions': preds, 'visualization': visualization}


def _identify(config: Config, checkpoint: str | None, options: dict | None) -> str:
    """A name for a model and its weights."""
    digest = hashlib.sha256(f'{config.model};{options}'.encode())
    if checkpoint is not None:
        with open(checkpoint, 'rb') as file:
            for block in iter(lambda: file.read(1 << 20), b''):
                digest.update(block)
    return digest.hexdigest()[:16]
