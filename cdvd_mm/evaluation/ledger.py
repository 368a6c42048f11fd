"""Scores of frames, kept while they are made."""

from __future__ import annotations

import glob
import json
import math
import os
from collections.abc import Iterator
from typing import Any, BinaryIO

from mmengine.dist import get_rank

from .scores import METRIC_NAMES

PART_PATTERN = 'frames.rank{}.part.jsonl'


class Ledger:
    """Rows that outlive the process: what was killed goes on where it stopped.

    Every process appends to a file of its own, a line a row; one that is killed loses at most the
    line it was writing.

    Args:
        folder: The folder; made if needed.
        signature: What must agree for rows to belong to the same work; JSON can hold it.
    """

    def __init__(self, folder: str | os.PathLike, signature: dict[str, Any]) -> None:
        self.folder = os.fspath(folder)
        self.signature = signature
        self._file: BinaryIO | None = None
        try:
            os.makedirs(self.folder, exist_ok=True)
        except OSError as error:
            raise OSError(error.errno, f'{error.strerror}; choose another folder for the results',
                          self.folder) from error

    def append(self, row: dict) -> None:
        """Keep a row.

        Args:
            row: With a ``key``; scores may be infinite.

        Raises:
            OSError: The disk is full; what was kept before stays.
        """
        path = os.path.join(self.folder, PART_PATTERN.format(get_rank()))
        try:
            if self._file is None:
                self._file = open(path, 'ab', buffering=0)  # noqa: SIM115
                # a line that was cut off must not swallow the next one
                self._file.write(b'\n' + _line(dict(signature=self.signature)))
            self._file.write(_line(row))
        except OSError as error:
            raise OSError(error.errno, f'{error.strerror}; the scores so far are kept: free some '
                          'space and run the same command with --resume', path) from error

    def rows(self) -> list[dict]:
        """What was kept of the same work, by all processes."""
        return [row for _, signature, rows in self._sources() if signature == self.signature
                for row in rows]

    def forget(self) -> None:
        """Remove what was kept."""
        for path in self._parts():
            os.unlink(path)

    def close(self) -> None:
        """Close this process's file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _sources(self) -> Iterator[tuple[str, dict, list[dict]]]:
        """Every run that wrote to the folder: path, signature, rows."""
        for path in self._parts():
            signature: dict | None = None
            rows: list[dict] = []
            with open(path, 'rb') as file:
                for line in file:
                    try:
                        row = json.loads(line)
                    except ValueError:  # cut off when the process was killed
                        continue
                    if 'signature' in row:
                        if signature is not None and rows:
                            yield path, signature, rows
                        signature, rows = row['signature'], []
                    elif 'key' in row:
                        rows.append(from_json(row))
            if signature is not None:
                yield path, signature, rows

    def _parts(self) -> list[str]:
        return sorted(glob.glob(os.path.join(glob.escape(self.folder), PART_PATTERN.format('*'))))


def _line(row: dict) -> bytes:
    return (json.dumps(to_json(row), ensure_ascii=False) + '\n').encode()


def to_json(value: Any) -> Any:
    """JSON has no infinity and no NaN; they become strings that ``float`` understands."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {k: to_json(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(v) for v in value]
    return value


def from_json(row: dict) -> dict:
    """The opposite of :func:`to_json` for a row."""
    return {k: float(v) if k in METRIC_NAMES else v for k, v in row.items()}
