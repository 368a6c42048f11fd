"""What is known about videos and frames, and what is wrong with them."""

from __future__ import annotations

import copyreg
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """Something wrong with the data: where, what, and what to do about it."""

    path: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f'{self.path}: {self.what}; {self.remedy}'


class _BoundType(type):
    """Type of the one error about a problem.

    A data loader hands on the *type* of its worker's error and a text, and calls the one with the
    other. An error whose type knows the problem therefore arrives whole.
    """

    problem: Problem


class FrameError(ValueError):
    """A frame that cannot be used.

    Args:
        path: The frame.
        what: What is wrong with it.
        remedy: What to do about it.

    Attributes:
        problem (Problem): These three.
    """

    problem: Problem

    def __new__(cls, path: str, what: str, remedy: str) -> FrameError:
        """Make the error, of a type of its own; see the metaclass."""
        return _error_type(Problem(str(path), what, remedy))()


def _error_type(problem: Problem) -> _BoundType:
    def new(cls, *args):
        return ValueError.__new__(cls, str(problem))

    def init(self, *args):
        ValueError.__init__(self, str(problem))

    return _BoundType('FrameError', (FrameError, ), {
        '__new__': new, '__init__': init, '__module__': __name__, 'problem': problem,
        '__reduce__': lambda self: (FrameError, (problem.path, problem.what, problem.remedy))})


copyreg.pickle(_BoundType, lambda bound: (_error_type, (bound.problem, )))


@dataclass
class Video:
    """The frames of one video, in order.

    Attributes:
        name: Name of its folder.
        blur: Paths of the blurred frames.
        sharp: Paths of the sharp frames, paired with ``blur``; ``None`` without ground truth.
        stems: Names of the frames without suffix.
        size: ``(height, width)``; ``None`` as long as no frame was looked at.
    """

    name: str
    blur: list[str]
    sharp: list[str] | None
    stems: list[str]
    size: tuple[int, int] | None = None

    def __len__(self) -> int:
        return len(self.blur)

    @property
    def shape(self) -> tuple[int, int]:
        """``size`` of a video whose frames were looked at."""
        assert self.size is not None, f'{self.name}: nobody has looked at its frames'
        return self.size
