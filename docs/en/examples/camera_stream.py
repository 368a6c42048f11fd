"""Restore frames as a camera gives them: CAMERA CONFIG CHECKPOINT.

CAMERA is a number (0: the first camera) or a video file that stands for one. A restored frame comes
out as soon as the frames after it that the network needs have come in; memory stays bounded.
"""

import sys
from collections.abc import Iterator

import cv2
import numpy as np

from cdvd_mm.apis import VideoDeblurInferencer

camera, config, checkpoint = sys.argv[1:]


def frames() -> Iterator[np.ndarray]:
    """Frames (h, w, 3), uint8, RGB, until the camera has no more."""
    capture = cv2.VideoCapture(int(camera) if camera.isdigit() else camera)
    while True:
        there, image = capture.read()
        if not there:
            return
        yield cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


deblur = VideoDeblurInferencer(config, checkpoint)
for number, sharp in enumerate(deblur.restore(frames())):
    sys.stdout.write(f'frame {number}: {sharp.shape[1]}x{sharp.shape[0]}, '
                     f'mean {sharp.mean():.1f}\n')
