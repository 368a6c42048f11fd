"""Hard cuts between scenes."""

import cv2
import numpy as np


class SceneCutDetector:
    """Tells from two neighbouring pictures whether a cut lies between them.

    The pictures are compared as thumbnails, by mean absolute difference; a cut
    is a difference above ``threshold`` that also stands out from the one
    before it, so that fast pans are not cut to pieces. Depends on the last
    three pictures alone, so a resumed run finds the same cuts.

    Args:
        threshold (float): Mean absolute difference, pictures in [0, 1].
        ratio (float): How many times the difference before it.
    """

    def __init__(self, threshold: float, ratio: float = 3.) -> None:
        if not 0 < threshold < 1:
            raise ValueError(f'the threshold of scene cuts must lie between 0 and 1, found '
                             f'{threshold}')
        self.threshold = threshold
        self.ratio = ratio
        self._last: np.ndarray | None = None
        self._difference = 2 * threshold / ratio  # of the first pair more is asked

    def is_cut(self, image: np.ndarray) -> bool:
        """Take the next picture (h, w, 3), uint8 or uint16; is there a cut before it?"""
        peak = 65535. if image.dtype == np.uint16 else 255.
        thumbnail = cv2.resize(image, (32, 18), interpolation=cv2.INTER_AREA) / peak
        last, self._last = self._last, thumbnail
        if last is None:
            return False
        difference = float(np.abs(thumbnail - last).mean())
        cut = difference > max(self.threshold, self.ratio * self._difference)
        if not cut:
            self._difference = difference
        return cut
