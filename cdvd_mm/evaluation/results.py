"""Scores of frames: kept while a test runs, summed up, written as CSV and JSON."""

from __future__ import annotations

import csv
import glob
import hashlib
import io
import json
import math
import os
import platform
import sys
from collections.abc import Iterator

from mmengine.dist import get_rank

from cdvd_mm.files import write_atomically

from .protocols import Protocol
from .scores import METRIC_NAMES

JSON_NAME, FRAMES_NAME, VIDEOS_NAME = 'results.json', 'frames.csv', 'videos.csv'
_IDENTITY = ('checkpoint_sha256', 'amp')  # besides the protocol: what scores depend on
PART_PATTERN = 'frames.rank{}.part.jsonl'


def mean(values: list[float]) -> float:
    """Arithmetic mean, rounded once, so that the order of the values does not matter."""
    return math.fsum(values) / len(values) if values else math.nan


def summarise(rows: list[dict], protocol: Protocol) -> dict:
    """Sum up the scores of frames.

    Args:
        rows: One dict a frame: ``key``, ``video``, ``frame_index``, ``video_length``, and its
            scores where there is ground truth. Frames that come twice count once; the order does
            not matter.
        protocol: Says which frames belong to it; others are left out.

    Returns:
        ``overall`` (mean of every metric over all frames), ``num_frames``, ``complete`` (whether
        every frame of the protocol of every video seen is there), ``missing`` (how many are not),
        ``videos`` (the same for each, by name) and ``frames`` (the rows in order).
    """
    unique = {row['key']: row for row in rows}
    rows = sorted(unique.values(), key=lambda r: (r['video'], r['frame_index']))
    wanted = {r['video']: set(protocol.frames(r['video_length'])) for r in rows}
    rows = [r for r in rows if r['frame_index'] in wanted[r['video']]]
    videos, missing = {}, 0
    for name, indices in wanted.items():
        own = [r for r in rows if r['video'] == name]
        missing += len(indices) - len(own)
        videos[name] = dict(num_frames=len(own), missing=len(indices) - len(own), **_means(own))
    return dict(overall=_means(rows), num_frames=len(rows), complete=missing == 0, missing=missing,
                videos=videos, frames=rows)


def _means(rows: list[dict]) -> dict[str, float]:
    return {name: mean([r[name] for r in rows]) for name in METRIC_NAMES
            if rows and all(name in r for r in rows)}


def file_sha256(path: str) -> str:
    """SHA-256 of a file."""
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """Versions of the package and of what its numbers depend on."""
    found = {'python': platform.python_version()}
    for name in ('cdvd_mm', 'torch', 'numpy', 'cv2', 'mmengine', 'mmcv', 'mmagic', 'mmflow'):
        module = sys.modules.get(name)
        if module is not None:
            found[name] = str(getattr(module, '__version__', 'unknown'))
    return found


class Results:
    """A folder that the scores of a test are written to.

    While the test runs, every process appends to a file of its own, a line a frame, so that a test
    that is killed loses at most the line it was writing. At the end the main process writes
    ``results.json``, ``frames.csv`` and ``videos.csv``, each in one step.

    Args:
        folder: The folder; made if needed.
        protocol: The protocol of the test.
        info: What else identifies the test: ``config``, ``checkpoint``, ``checkpoint_sha256`` ...
    """

    def __init__(self, folder: str, protocol: Protocol, info: dict | None = None) -> None:
        self.folder = os.fspath(folder)
        self.protocol = protocol
        self.info = dict(info or {})
        self._file = None
        self._make_folder()

    @property
    def signature(self) -> dict:
        """What must agree for scores to belong to the same test."""
        return dict(protocol=self.protocol.name, **{k: self.info.get(k) for k in _IDENTITY})

    def append(self, row: dict) -> None:
        """Keep the scores of a frame.

        Raises:
            OSError: The disk is full; what was scored before is kept.
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

    def load(self) -> list[dict]:
        """Scores of an earlier, perhaps interrupted, run of the same test.

        Raises:
            ValueError: The folder holds scores of another protocol or checkpoint.
        """
        rows, own, others = [], False, []
        for path, signature, found in self._sources():
            if signature == self.signature:
                own = True
                rows += [_from_json(row) for row in found]
            else:
                others.append(f'{path} ({signature})')
        if others and not own:
            raise ValueError(f'no scores of this test ({self.signature}) to go on with, but of '
                             f'another: {", ".join(others)}; choose another folder, or leave out '
                             '--resume')
        return rows

    def _sources(self) -> Iterator[tuple[str, dict, list[dict]]]:
        """Every finished or interrupted run in the folder: path, signature, rows."""
        path = os.path.join(self.folder, JSON_NAME)
        if os.path.isfile(path):
            with open(path, encoding='utf-8') as file:
                try:
                    report = json.load(file)
                    signature = dict(protocol=report['protocol']['name'],
                                     **{k: report['info'].get(k) for k in _IDENTITY})
                    rows = list(report['frames'])
                except (ValueError, KeyError, TypeError) as error:
                    raise ValueError(f'{path} is damaged ({error!r}); remove it') from error
            yield path, signature, rows
        for path in self._parts():
            signature, rows = None, []
            with open(path, 'rb') as file:
                for line in file:
                    try:
                        row = json.loads(line)
                    except ValueError:  # cut off when the process was killed
                        continue
                    if 'signature' in row:
                        if rows:
                            yield path, signature, rows
                        signature, rows = row['signature'], []
                    elif 'key' in row:
                        rows.append(row)
            if signature is not None:
                yield path, signature, rows

    def forget(self) -> None:
        """Remove the lines of an earlier, interrupted run (finished reports stay until the end)."""
        for path in self._parts():
            os.unlink(path)

    def write(self, summary: dict) -> None:
        """Write the report: JSON, and CSV a frame and a video.

        Raises:
            OSError: The disk is full; the scores so far are kept for ``--resume``.
        """
        report = dict(protocol=self.protocol.as_dict(), info=self.info, **summary)
        report['frames'] = [{k: _to_json(v) for k, v in row.items()} for row in summary['frames']]
        for key in ('overall', 'videos'):
            report[key] = _to_json(report[key])
        write_atomically(os.path.join(self.folder, JSON_NAME),
                         json.dumps(report, indent=1, ensure_ascii=False) + '\n')
        names = [n for n in METRIC_NAMES if n in summary['overall']]
        write_atomically(os.path.join(self.folder, FRAMES_NAME), _csv(
            ['video', 'frame', 'frame_index', *names],
            [[r['video'], r['key'].rsplit('/', 1)[-1], r['frame_index'], *(r[n] for n in names)]
             for r in summary['frames']]))
        write_atomically(os.path.join(self.folder, VIDEOS_NAME), _csv(
            ['video', 'num_frames', *names],
            [[name, video['num_frames'], *(video.get(n) for n in names)]
             for name, video in summary['videos'].items()]
            + [['mean over all frames', summary['num_frames'],
                *(summary['overall'][n] for n in names)]]))
        self.close()
        self.forget()

    def close(self) -> None:
        """Close this process's file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _make_folder(self) -> None:
        try:
            os.makedirs(self.folder, exist_ok=True)
        except OSError as error:
            raise OSError(error.errno, f'{error.strerror}; choose another folder for the results',
                          self.folder) from error

    def _parts(self) -> list[str]:
        return sorted(glob.glob(os.path.join(glob.escape(self.folder), PART_PATTERN.format('*'))))


def _line(row: dict) -> bytes:
    return (json.dumps({k: _to_json(v) for k, v in row.items()}, ensure_ascii=False)
            + '\n').encode()


def _to_json(value):
    """JSON has no infinity and no NaN; they become strings that ``float`` understands."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {k: _to_json(v) for k, v in value.items()}
    return value


def _from_json(row: dict) -> dict:
    return {k: float(v) if k in METRIC_NAMES else v for k, v in row.items()}


def _csv(header: list, rows: list[list]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator='\n')
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
