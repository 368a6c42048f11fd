"""Scores of frames: kept while a test runs, summed up, written as CSV and JSON."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import os
import platform
import sys
from collections.abc import Iterator

from cdvd_mm.files import write_atomically

from .ledger import Ledger, from_json, to_json
from .protocols import Protocol
from .scores import METRIC_NAMES

JSON_NAME, FRAMES_NAME, VIDEOS_NAME = 'results.json', 'frames.csv', 'videos.csv'
_IDENTITY = ('checkpoint_sha256', 'amp')  # besides the protocol: what scores depend on


def mean(values: list[float]) -> float:
    """Arithmetic mean, rounded once, so that the order of the values does not matter.

    A frame that equals the truth has an infinite PSNR, which would hide all others: it is left out,
    and :func:`count_identical` counts it. Where there is nothing else, the mean is infinite.
    """
    others = [value for value in values if value != math.inf]
    if not others:
        return math.inf if values else math.nan
    return math.fsum(others) / len(others)


def count_identical(rows: list[dict]) -> int:
    """How many frames equal the truth."""
    return sum(row.get('PSNR') == math.inf for row in rows)


def identical_in_words(number: int) -> str:
    """What to say beside a mean PSNR; empty where no frame equals the truth."""
    return f'{number} frame(s) equal the truth: PSNR is the mean of the others' if number else ''


def summarise(rows: list[dict], protocol: Protocol) -> dict:
    """Sum up the scores of frames.

    Args:
        rows: One dict a frame: ``key``, ``video``, ``frame_index``, ``video_length``, and its
            scores where there is ground truth. Frames that come twice count once; the order does
            not matter.
        protocol: Says which frames belong to it; others are left out.

    Returns:
        ``overall`` (mean of every metric over all frames), ``num_frames``, ``identical``
        (frames that equal the truth, which the mean PSNR leaves out), ``complete`` (whether every
        frame of the protocol of every video seen is there), ``missing`` (how many are not),
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
        videos[name] = dict(num_frames=len(own), identical=count_identical(own),
                            missing=len(indices) - len(own), **_means(own))
    return dict(overall=_means(rows), num_frames=len(rows), identical=count_identical(rows),
                complete=missing == 0, missing=missing, videos=videos, frames=rows)


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


class Results(Ledger):
    """A folder that the scores of a test are written to.

    While the test runs, rows are kept as in every ledger. At the end the main process writes
    ``results.json``, ``frames.csv`` and ``videos.csv``, each in one step.

    Args:
        folder: The folder; made if needed.
        protocol: The protocol of the test.
        info: What else identifies the test: ``config``, ``checkpoint``, ``checkpoint_sha256`` ...
    """

    def __init__(self, folder: str | os.PathLike, protocol: Protocol,
                 info: dict | None = None) -> None:
        self.protocol = protocol
        self.info = dict(info or {})
        super().__init__(folder, dict(protocol=protocol.name,
                                      **{k: self.info.get(k) for k in _IDENTITY}))

    def load(self) -> list[dict]:
        """Scores of an earlier, perhaps interrupted, run of the same test.

        Raises:
            ValueError: The folder holds scores of another protocol or checkpoint.
        """
        found = [(path, signature) for path, signature, _ in self._sources()]
        if found and all(signature != self.signature for _, signature in found):
            others = ', '.join(f'{path} ({signature})' for path, signature in found)
            raise ValueError(f'no scores of this test ({self.signature}) to go on with, but of '
                             f'another: {others}; choose another folder, or leave out --resume')
        return self.rows()

    def _sources(self) -> Iterator[tuple[str, dict, list[dict]]]:
        """The finished run of the folder, then the interrupted ones."""
        path = os.path.join(self.folder, JSON_NAME)
        if os.path.isfile(path):
            with open(path, encoding='utf-8') as file:
                try:
                    report = json.load(file)
                    signature = dict(protocol=report['protocol']['name'],
                                     **{k: report['info'].get(k) for k in _IDENTITY})
                    rows = [from_json(row) for row in report['frames']]
                except (ValueError, KeyError, TypeError) as error:
                    raise ValueError(f'{path} is damaged ({error!r}); remove it') from error
            yield path, signature, rows
        yield from super()._sources()

    def write(self, summary: dict) -> None:
        """Write the report: JSON, and CSV a frame and a video.

        Raises:
            OSError: The disk is full; the scores so far are kept for ``--resume``.
        """
        report = to_json(dict(protocol=self.protocol.as_dict(), info=self.info, **summary))
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


def _csv(header: list, rows: list[list]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator='\n')
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
