"""The official test videos, by name."""

from __future__ import annotations

from collections.abc import Iterable

DVD_TEST = ('720p_240fps_2', 'IMG_0003', 'IMG_0021', 'IMG_0030', 'IMG_0031', 'IMG_0032',
            'IMG_0033', 'IMG_0037', 'IMG_0039', 'IMG_0049')
GOPRO_TEST = ('GOPR0384_11_00', 'GOPR0384_11_05', 'GOPR0385_11_01', 'GOPR0396_11_00',
              'GOPR0410_11_00', 'GOPR0854_11_00', 'GOPR0862_11_00', 'GOPR0868_11_00',
              'GOPR0869_11_00', 'GOPR0871_11_00', 'GOPR0881_11_01')


def official_test_videos(layout: str, names: Iterable[str] = ()) -> tuple[str, ...]:
    """Official test videos of the dataset that a folder seems to hold.

    Args:
        layout: As :func:`cdvd_mm.datasets.layouts.find_layout` gives it, or 'store'.
        names: Names of videos found.

    Returns:
        Names; none for own pairs.
    """
    if layout == 'dvd':
        return DVD_TEST
    names = set(names)
    return next((official for official in (DVD_TEST, GOPRO_TEST) if names & set(official)), ())
