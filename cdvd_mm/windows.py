"""Which frames of a video are used, and which neighbours a frame is restored from.

Plain arithmetic on frame indices, shared by the datasets and the evaluation protocols.
"""

from __future__ import annotations

import numpy as np


def reflect_index(index: int, length: int) -> int:
    """Map an index outside ``[0, length)`` back inside by reflection without repeating the end.

    ``-1 -> 1``, ``-2 -> 2``, ``length -> length - 2``, as often as needed.

    Args:
        index: Frame index, may lie outside the video.
        length: Number of frames of the video, at least 1.

    Returns:
        An index in ``[0, length)``.
    """
    if length < 1:
        raise ValueError(f'a video needs at least one frame, found {length}')
    if length == 1:
        return 0
    period = 2 * (length - 1)
    index %= period
    return index if index < length else period - index


ENDS = ('reflected', 'repeated')
"""How a video goes on beyond its ends, see :func:`window_indices`."""


def window_indices(centre: int, num_frames: int, length: int,
                   ends: str = 'reflected') -> list[int]:
    """The ``num_frames`` indices around ``centre``; what lies beyond the ends is made up.

    Args:
        centre: Index of the frame to restore, in ``[0, length)``.
        num_frames: Length of the window, odd.
        length: Number of frames of the video.
        ends: 'reflected': the mirror image, 2, 1, *0*, 1, 2 around the first frame. 'repeated':
            the first and last ``num_frames // 2`` frames once more in their order,
            0, 1, *0*, 1, 2, as ``--border`` of CDVD-TSP's program has it.

    Returns:
        ``num_frames`` indices in ``[0, length)``; the middle one is ``centre``.

    Raises:
        ValueError: Unknown ``ends``, or a video that is too short to be repeated.
    """
    half = num_frames // 2
    indices = range(centre - half, centre + half + 1)
    if ends == 'reflected':
        return [reflect_index(i, length) for i in indices]
    if ends != 'repeated':
        raise ValueError(f'ends must be one of {", ".join(ENDS)}, found {ends!r}')
    if length < half:
        raise ValueError(f'a video of {length} frames has not the {half} that are repeated at '
                         f'either end of it for windows of {num_frames}')
    return [i + half if i < 0 else i - half if i >= length else i for i in indices]


def scored_frames(length: int, skip_ends: int = 0, sample_frames: int | None = None) -> list[int]:
    """Indices of the frames of a video that are restored and scored.

    Args:
        length: Number of frames of the video.
        skip_ends: Frames left out at either end.
        sample_frames: Take only this many, spread evenly:
            ``floor(linspace(skip_ends, length - 1 - skip_ends, sample_frames))``, each once.

    Returns:
        Increasing indices; empty when the video is too short to have any.
    """
    first, last = skip_ends, length - 1 - skip_ends
    if last < first:
        return []
    if sample_frames is None:
        return list(range(first, last + 1))
    spread = np.floor(np.linspace(first, last, sample_frames)).astype(int)
    return sorted({int(i) for i in spread})


def split_runs(length: int, run_length: int | None,
               overlap: int) -> list[tuple[int, int, int, int]]:
    """Cut a video into runs that can be restored apart.

    Args:
        length: Number of frames of the video.
        run_length: Frames a run is responsible for; ``None`` is the whole video in one run.
        overlap: Frames read in addition on either side, where the video has them, so that a
            model that looks at neighbours sees the same ones as without the cut.

    Returns:
        One ``(start, stop, read_start, read_stop)`` a run; the ranges ``[start, stop)`` cover
        the video exactly once.
    """
    if run_length is None:
        return [(0, length, 0, length)]
    if run_length < 1:
        raise ValueError(f'run_length must be at least 1, found {run_length}')
    if overlap < 0:
        raise ValueError(f'overlap must not be negative, found {overlap}')
    runs = []
    for start in range(0, length, run_length):
        stop = min(start + run_length, length)
        runs.append((start, stop, max(0, start - overlap), min(length, stop + overlap)))
    return runs


def equal_runs(length: int, run_length: int) -> list[tuple[int, int, int, int]]:
    """Cut a video into runs of one length, for training; the last one may overlap the one before.

    Args:
        length: Number of frames of the video, at least ``run_length``.
        run_length: Frames of a run.

    Returns:
        As :func:`split_runs`.
    """
    starts = [*range(0, length - run_length + 1, run_length)]
    if starts[-1] + run_length < length:
        starts.append(length - run_length)
    return [(start, start + run_length, start, start + run_length) for start in starts]
