"""Runs the parts one after the other, each with a time limit, and writes what came of them."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from cdvd_mm.bench.options import BenchmarkOptions, DeviceReportOptions
from cdvd_mm.files import write_atomically
from cdvd_mm.inference.model import select_device
from cdvd_mm.system import device_name
from cdvd_mm.version import __version__

from .docs import write_docs
from .parts import PARTS
from .settings import Settings, Table

GPU_SIZES = ((1280, 720), (1920, 1080))
CPU_SIZES = ((256, 256), )
_STARTING = 20.  # seconds that a part needs for itself, however little is left


@dataclasses.dataclass
class PartOutcome:
    """What came of a part.

    Args:
        name (str): A key of ``PARTS``.
        seconds (float): How long it took.
        tables (list[Table]): What it found.
        failure (str): Why it did not end; '': it did.
    """

    name: str
    seconds: float
    tables: list[Table]
    failure: str = ''

    @property
    def wrong(self) -> list[str]:
        """What is not as it should be."""
        return [self.failure] * bool(self.failure) + [t.wrong for t in self.tables if t.wrong]


def make_report(options: BenchmarkOptions, report: DeviceReportOptions,
                say: Callable[[str], None]) -> list[PartOutcome]:
    """Run the parts; write ``report.md`` and ``report.json``, and the tables of the docs.

    Args:
        options (BenchmarkOptions): Network, device and sizes.
        report (DeviceReportOptions): What to do, and where to put it.
        say (Callable): Called with a line on what is going on.

    Returns:
        list[PartOutcome]: One a part.

    Raises:
        ValueError: A device or part that is not there, a page without its place for a table.
    """
    unknown = [name for name in report.parts or () if name not in PARTS]
    if unknown:
        raise ValueError(f'unknown part(s) {", ".join(unknown)}: expected {", ".join(PARTS)}')
    settings = make_settings(options, report)
    name = report.device_name or device_name(settings.device)
    Path(report.out).mkdir(parents=True, exist_ok=True)
    load = os.getloadavg()[0]
    outcomes: list[PartOutcome] = []
    end, names = time.monotonic() + 60 * report.minutes, [
        part for part in report.parts or PARTS if settings.on_gpu or not PARTS[part].needs_gpu]
    for index, part in enumerate(names):
        rest = sum(PARTS[other].weight for other in names[index:])
        share = max(_STARTING, (end - time.monotonic()) * PARTS[part].weight / rest)
        say(f'{part}: at most {share:.0f} s')
        outcomes.append(run_part(part, dataclasses.replace(settings, seconds=share)))
        for problem in outcomes[-1].wrong:
            say(f'{part}: {problem}')
        _write(outcomes, name, load, Path(report.out))  # what is there is there
    if report.write_docs is not None:
        tables = [table for outcome in outcomes for table in outcome.tables]
        write_docs(Path(report.write_docs), name, tables, _note(load))
    return outcomes


def make_settings(options: BenchmarkOptions, report: DeviceReportOptions) -> Settings:
    """What all parts are told.

    Raises:
        ValueError: There is no such device.
    """
    device = select_device(options.device)
    on_gpu = device.type == 'cuda'
    sizes = options.sizes or (GPU_SIZES if on_gpu else CPU_SIZES)
    return Settings(
        device=str(device), folder=str(report.out), config=options.config,
        checkpoint=options.checkpoint, cfg_options=options.cfg_options,
        sizes=[list(size) for size in sizes], video=report.video,
        patch=report.patch or (256 if on_gpu else 64),
        tests=report.tests or ('cuda or test_triton' if on_gpu else 'test_memory and cpu'))


def run_part(name: str, settings: Settings) -> PartOutcome:
    """Run a part in a process of its own; nothing that it does ends this one.

    Args:
        name (str): A key of ``PARTS``.
        settings (Settings): Its time limit among them.
    """
    folder = Path(settings.folder) / 'parts'
    folder.mkdir(exist_ok=True)
    given, result, log = (folder / f'{name}.{kind}' for kind in ('in.json', 'json', 'log'))
    write_atomically(given, json.dumps(dataclasses.asdict(settings)))
    result.unlink(missing_ok=True)
    environment = dict(os.environ, PYTHONUNBUFFERED='1', CUBLAS_WORKSPACE_CONFIG=':4096:8')
    if not settings.on_gpu:
        environment.update(CUDA_VISIBLE_DEVICES='', TRITON_INTERPRET='1')
    start = time.monotonic()
    with open(log, 'wb') as file:
        process = subprocess.Popen(
            [sys.executable, '-m', f'{__package__}.work', name, str(given), str(result)],
            stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=environment,
            start_new_session=True)
        try:
            code: int | None = process.wait(settings.seconds)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    seconds = time.monotonic() - start
    tables = []
    if result.is_file():
        tables = [Table(**row) for row in json.loads(result.read_text(encoding='utf-8'))]
    failure = '' if code == 0 else f'cut off after {seconds:.0f} s' if code is None else \
        f'failed (exit code {code}): {_last_line(log)}'
    return PartOutcome(name, seconds, tables, failure)


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding='utf-8', errors='replace').strip().splitlines()
    return lines[-1][:300] if lines else 'it said nothing'


def _note(load: float) -> str:
    """What the figures were measured with."""
    busy = f'; {load:.1f} other processes were running' if load >= .5 else ''
    return (f'PyTorch {torch.__version__}, Python {platform.python_version()}, cdvd_mm '
            f'{__version__}{busy}.')


def _write(outcomes: list[PartOutcome], device: str, load: float, folder: Path) -> None:
    lines = [f'# {device}', '', _note(load), '', '| part | s | what is wrong |', '|---|---|---|']
    lines += [f'| {o.name} | {o.seconds:.0f} | {"; ".join(o.wrong) or "nothing"} |'
              for o in outcomes]
    for outcome in outcomes:
        for table in outcome.tables:
            lines += ['', f'## {table.title}', '', *table.lines]
    write_atomically(folder / 'report.md', '\n'.join(lines) + '\n')
    write_atomically(folder / 'report.json', json.dumps(dict(
        device=device, note=_note(load),
        parts=[dict(dataclasses.asdict(o), tables=[t._asdict() for t in o.tables])
               for o in outcomes]), indent=1) + '\n')
