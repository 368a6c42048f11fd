"""Progress bars with the time left, on the main process alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

from mmengine.dist import is_main_process
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

T = TypeVar('T')


def progress_bar(**kwargs) -> Progress:
    """A rich progress bar on stderr: description, bar, count, elapsed and remaining time."""
    return Progress(
        TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        TextColumn('ETA'), TimeRemainingColumn(), console=Console(stderr=True),
        disable=not is_main_process(), **kwargs)


def track(items: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """Iterate with a progress bar that disappears at the end.

    Args:
        items: What to iterate over.
        description: Text in front of the bar.
        total: Number of items; found by ``len`` where it is not given.
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    with progress_bar(transient=True) as bar:
        task = bar.add_task(description, total=total)
        for item in items:
            yield item
            bar.advance(task)
