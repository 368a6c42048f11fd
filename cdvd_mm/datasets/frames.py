"""Read frames from files or frame stores."""

from __future__ import annotations

import cv2
import numpy as np

from .frame_files import crop, decode_frame, read_bytes
from .frame_store import STORE_MARK, open_store


def read_frame(path: str, box: tuple[int, int, int, int] | None = None) -> np.ndarray:
    """Read a frame, or a part of it, from a file or a frame store.

    Args:
        path: A file, or ``<store>::<split>/<video>/<blur|sharp>/<frame>``.
        box: ``(top, left, height, width)`` of the part wanted. A store decodes nothing else; a
            PNG or JPEG file has to be decoded as a whole.

    Returns:
        (h, w, 3) uint8, RGB, contiguous.

    Raises:
        FrameError: Missing, unreadable or broken.
    """
    if STORE_MARK in path:
        root, name = path.split(STORE_MARK, 1)
        return open_store(root).read(name, box)
    image = decode_frame(read_bytes(path), path)
    if box is not None:
        image = crop(image, box)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
