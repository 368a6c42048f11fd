"""What exactly a published number measures: which frames, which pixels, which mean."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass

import numpy as np

from cdvd_mm.windows import scored_frames


@dataclass(frozen=True)
class Protocol:
    """One way to score restored videos.

    All of them score 8 bit RGB (predictions are clamped first), PSNR over the three channels, SSIM
    with a Gaussian of 11 pixels and sigma 1.5, and average over *frames*, not over the means of
    videos.

    Attributes:
        name: What configs and command lines call it.
        description: Where it comes from, in a sentence.
        skip_ends: Frames at either end of a video that are neither restored nor scored. Windows
            that reach over an end all the same are reflected.
        sample_frames: Score only this many frames of a video, spread evenly; ``None`` for all.
        size_multiple: Height and width are cut to a multiple of this, at the right and bottom.
        crop_border: Pixels cut off on every side after that.
        ssim: '2d': on the valid region of each channel, averaged over the channels; '3d': over the
            colour axis too, see :func:`~cdvd_mm.evaluation.ssim_3d.ssim_3d`.
        truncate: Predictions are cut to 8 bit instead of rounded.
    """

    name: str
    description: str
    skip_ends: int
    sample_frames: int | None
    size_multiple: int
    crop_border: int
    ssim: str = '2d'
    truncate: bool = False

    def frames(self, length: int) -> list[int]:
        """Indices of the scored frames of a video of ``length`` frames."""
        return scored_frames(length, self.skip_ends, self.sample_frames)

    def cut_to_multiple(self, image: np.ndarray) -> np.ndarray:
        """An image (h, w, c) without what its sides have over a multiple, as a view."""
        height, width = (side - side % self.size_multiple for side in image.shape[:2])
        return image[:height, :width]

    def crop(self, image: np.ndarray) -> np.ndarray:
        """The scored part of an image (h, w, c), as a view.

        Raises:
            ValueError: Nothing that SSIM's window of 11 pixels fits into is left.
        """
        height, width = self.cut_to_multiple(image).shape[:2]
        border = self.crop_border
        if min(height, width) - 2 * border < 11:
            raise ValueError(f'protocol {self.name} leaves '
                             f'{max(width - 2 * border, 0)}x{max(height - 2 * border, 0)} of a '
                             f'frame of {image.shape[1]}x{image.shape[0]}, at least 11x11 are '
                             'needed')
        return image[border:height - border, border:width - border]

    def as_dict(self) -> dict:
        """All of it, for reports."""
        return asdict(self)


PROTOCOLS = {protocol.name: protocol for protocol in (
    Protocol('cdvd-tsp',
             'CDVD-TSP (Pan et al., CVPR 2020): without the first and last two frames, size cut to '
             'a multiple of 4, 4-pixel border cut off, mean over all frames',
             skip_ends=2, sample_frames=None, size_multiple=4, crop_border=4),
    Protocol('all-frames',
             'all frames, ends restored from reflected windows, whole pictures, mean over all '
             'frames',
             skip_ends=0, sample_frames=None, size_multiple=1, crop_border=0),
    Protocol('dvd-30',
             'DVD (Su et al., CVPR 2017): 30 frames of a video, floor(linspace(2, n - 3, 30)), '
             'whole pictures, mean over all frames',
             skip_ends=2, sample_frames=30, size_multiple=1, crop_border=0),
    Protocol('dstnet',
             'DSTNet and DSTNet+ (Pan et al., TPAMI 2025): all frames, whole pictures, '
             'three-dimensional SSIM, mean over all frames',
             skip_ends=0, sample_frames=None, size_multiple=1, crop_border=0, ssim='3d'),
    Protocol('bsd',
             'BSD and ESTRNN (Zhong et al., ECCV 2020): all frames, whole pictures, predictions '
             'truncated to 8 bit, mean over all frames',
             skip_ends=0, sample_frames=None, size_multiple=1, crop_border=0, truncate=True),
    Protocol('reds4',
             'REDS4 (Wang et al., CVPR Workshops 2019): all frames of the videos 000, 011, 015 and '
             '020, whole pictures, mean over all frames',
             skip_ends=0, sample_frames=None, size_multiple=1, crop_border=0),
)}


def get_protocol(name: str | Protocol) -> Protocol:
    """The protocol of that name.

    Raises:
        ValueError: There is none.
    """
    if isinstance(name, Protocol):
        return name
    if name not in PROTOCOLS:
        raise ValueError(f'unknown protocol {name!r}, there are {", ".join(PROTOCOLS)}')
    return PROTOCOLS[name]


def dataset_args(protocols: Collection[Protocol]) -> dict:
    """Arguments with which a dataset delivers the frames of all of these protocols."""
    skip_ends = {protocol.skip_ends for protocol in protocols}
    samples = {(protocol.skip_ends, protocol.sample_frames) for protocol in protocols}
    return dict(skip_ends=min(skip_ends),
                sample_frames=samples.pop()[1] if len(samples) == 1 else None)
