"""A trained model for videos."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from cdvd_mm.inference.inferencer import FrameInferencer
from cdvd_mm.registry import INFERENCERS
from cdvd_mm.video.reader import open_reader

from .job import DeblurReport, OnFrame, run_job
from .options import DeblurOptions
from .plan import Plan, make_plan


@INFERENCERS.register_module()
class VideoDeblurInferencer(FrameInferencer):
    """Restores videos, folders of frames and sequences of arrays.

    >>> deblur = VideoDeblurInferencer('configs/cdvd_gopro.py', 'cdvd_gopro.pth')
    >>> deblur('blurred.mp4', 'sharp.mp4')
    >>> sharp = list(deblur.restore(frames))

    Its arguments are those of :class:`~cdvd_mm.inference.inferencer.FrameInferencer`.
    """

    def __call__(self, inputs: str | Path | Iterable[np.ndarray],
                 output: str | Path | None = None, on_frame: OnFrame | None = None,
                 **options: Any) -> dict[str, Any]:
        """Restore a video.

        Args:
            inputs (str | Path | Iterable[np.ndarray]): Video file, folder of
                frames, or frames (h, w, 3), RGB, uint8 or uint16.
            output (str | Path, optional): Video file or folder to write.
                Without it the frames are returned; mind the memory.
            on_frame (Callable, optional): Called with the number of frames
                done and expected.
            **options: Fields of :class:`~cdvd_mm.deblur.options.DeblurOptions`.

        Returns:
            dict: ``predictions``: the restored frames, or the path of the
            output; ``report``: a
            :class:`~cdvd_mm.deblur.job.DeblurReport` where one was written.

        Raises:
            ValueError: See :func:`~cdvd_mm.deblur.job.deblur_video`.
        """
        if output is None:
            if options:
                raise ValueError(f'{", ".join(options)}: only for an output that is written')
            if not isinstance(inputs, (str, Path)):
                return {'predictions': list(self.restore(inputs))}
            with open_reader(inputs) as reader:
                images = (frame.image for frame in reader.frames() if frame.image is not None)
                return {'predictions': list(self.restore(images))}
        if not isinstance(inputs, (str, Path)):
            raise ValueError('an output is written from a video file or a folder of frames; '
                             'for frames in memory use restore()')
        chosen = DeblurOptions(**options)
        with open_reader(inputs, chosen.fps, chosen.deinterlace) as reader:
            report = self.run(make_plan(reader, output, chosen), on_frame)
        return {'predictions': str(report.output), 'report': report}

    def run(self, plan: Plan, on_frame: OnFrame | None = None) -> DeblurReport:
        """Restore what was planned; see :func:`~cdvd_mm.deblur.job.run_job`."""
        return run_job(plan, self.restorer, self.model_id, on_frame)
