"""The rotation flag of a video: turning pictures upright, and side by side."""

import av
import numpy as np

Matrix = tuple[int, ...] | None


def _signs(matrix: Matrix) -> tuple[int, int, int, int]:
    """A, b, c, d of ``x' = a x + c y``, ``y' = b x + d y``, each -1, 0 or 1."""
    if matrix is None:
        return 1, 0, 0, 1
    a, b, c, d = (int(np.sign(round(matrix[k] / 65536))) for k in (0, 1, 3, 4))
    return (a, b, c, d) if abs(a) + abs(b) == 1 else (1, 0, 0, 1)


def is_transposed(matrix: Matrix) -> bool:
    """Whether width and height change places when the picture is shown."""
    return _signs(matrix)[0] == 0


def can_store_rotation(container: str) -> bool:
    """Whether a container (FFmpeg's name) keeps the flag, as this PyAV writes it."""
    return container != 'gif' and hasattr(av.VideoStream, 'set_display_matrix')


def upright(image: np.ndarray, matrix: Matrix) -> np.ndarray:
    """Turn a stored picture (h, w, 3) as it is to be shown.

    Only multiples of 90 degrees and mirror images; other matrices are left alone.
    """
    a, b, c, d = _signs(matrix)
    if a == 0:
        image = image.transpose(1, 0, 2)
        a, d = c, b
    return image[::-1 if d < 0 else 1, ::-1 if a < 0 else 1]


def side_by_side(left: np.ndarray, right: np.ndarray, matrix: Matrix) -> np.ndarray:
    """Join two stored pictures so that ``left`` is shown left of ``right``."""
    a, _, c, _ = _signs(matrix)
    axis, sign = (0, c) if a == 0 else (1, a)
    return np.concatenate((left, right) if sign > 0 else (right, left), axis=axis)
