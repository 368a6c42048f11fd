"""Names of frames: their order, their gaps, and whether a name may become a file."""

from __future__ import annotations

import re
from collections.abc import Sequence

# A dash is a sign where no letter or digit stands before it: frame_-1, but not clip-1.
_NUMBER = re.compile(r'((?:(?<![^\W_])-)?[0-9]+)')


def _parts(name: str) -> list[str | int]:
    """Text, number, text ... of a name; text comes first and last and may be empty."""
    return [int(part) if index % 2 else part.lower()
            for index, part in enumerate(_NUMBER.split(name))]


def natural_key(name: str) -> tuple[list[str | int], str]:
    """What to sort names by for the order of the numbers in them: ``frame_2``, ``frame_10``."""
    return _parts(name), name


def frame_numbers(names: Sequence[str]) -> list[int] | None:
    """The numbers that tell names of one folder apart.

    Args:
        names: Names without suffix.

    Returns:
        One number a name; ``None`` where the names differ in more than one number, or in other
        letters, and nothing can be said about gaps.
    """
    parts = [_parts(name) for name in names]
    if not parts or len({len(one) for one in parts}) > 1:
        return None
    differing = [index for index, found in enumerate(zip(*parts)) if len(set(found)) > 1]
    if len(differing) != 1 or not differing[0] % 2:
        return None
    return [int(one[differing[0]]) for one in parts]


def checked_name(name: object, source: str) -> str:
    """A name out of a file, if it can be the name of a file or folder and no path.

    Args:
        name: What was read.
        source: Where it was read, for the message.

    Raises:
        ValueError: It is no text, empty, ``.`` or ``..``, or has a separator or a NUL in it.
    """
    if not isinstance(name, str) or name in ('', '.', '..') or re.search(r'[/\\\0]', name):
        raise ValueError(f'{source}: {name!r} is no name of a video or frame; the file is damaged '
                         'or made to write elsewhere, do not use it')
    return name
