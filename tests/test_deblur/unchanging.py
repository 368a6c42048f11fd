"""A network that changes nothing: what differs afterwards is the doing of readers and writers."""

from pathlib import Path
from typing import Any

import torch

from cdvd_mm.deblur.job import DeblurReport, deblur_video
from cdvd_mm.deblur.options import DeblurOptions
from cdvd_mm.inference.frame_restorer import FrameRestorer


class Same(torch.nn.Module):
    """A window of one, which stays as it is."""

    num_frames = 1
    size_divisor = 4
    min_size = 4

    def forward(self, frames):
        return frames[:, 0]


def deblur(source: Path, output: Path, **options: Any) -> DeblurReport:
    """Send a video through reader, pipeline and writer."""
    return deblur_video(FrameRestorer(Same(), tile=None), source, output, DeblurOptions(**options))
