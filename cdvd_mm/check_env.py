"""``cdvd-mm check-env``: is everything there, and does it work together.

Needs the standard library alone, so that it can say what is missing where PyTorch or MMagic is; the
tables are drawn with rich where that is installed.
"""

from __future__ import annotations

import importlib
import logging
import platform
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata

from cdvd_mm.options import option
from cdvd_mm.requirements import (
    INSTALL,
    PYTHON,
    REQUIREMENTS,
    Requirement,
    in_words,
    numpy_limit,
    python_requires,
    release,
    torchvision_for,
)

OK, WARNING, WRONG = 'ok', 'warning', 'wrong'


@dataclass(frozen=True)
class Row:
    """One line of the report: what was found, what is expected, and what to do."""

    name: str
    found: str
    expected: str
    status: str
    note: str = ''


@dataclass(frozen=True)
class Report:
    """What ``check`` found out.

    Attributes:
        packages (tuple[Row, ...]): A row for every package.
        trials (tuple[Row, ...]): A row for everything that was tried.
        devices (tuple[Row, ...]): A row for every GPU, or one that says there is none.
    """

    packages: tuple[Row, ...]
    trials: tuple[Row, ...] = ()
    devices: tuple[Row, ...] = ()

    @property
    def wrong(self) -> tuple[Row, ...]:
        """What is required and missing, or does not work."""
        return tuple(row for row in self.packages + self.trials + self.devices
                     if row.status == WRONG)

    @property
    def complete(self) -> bool:
        """Whether nothing that is required is missing or wrong."""
        return not self.wrong


def check_python(version: Sequence[int] = sys.version_info[:3]) -> Row:
    """The interpreter.

    Args:
        version (Sequence[int]): Major, minor and patch number.
    """
    fits = PYTHON[0] <= tuple(version[:2]) < PYTHON[1]
    return Row('Python', '.'.join(map(str, version[:3])), in_words(python_requires()),
               OK if fits else WRONG, '' if fits else 'make an environment with one that fits')


def check_package(requirement: Requirement, quick: bool = False,
                  version_of: Callable[[str], str] = metadata.version) -> Row:
    """Look a package up, and import it unless ``quick``.

    Args:
        requirement (Requirement): What is needed.
        quick (bool): Compare the versions only. Defaults to False.
        version_of (Callable): From a distribution's name to its version; raises
            ``PackageNotFoundError``. Defaults to ``importlib.metadata.version``.

    Returns:
        Row: Its status is 'wrong' only where the package is required.
    """
    bad = WRONG if requirement.required else WARNING
    found, distribution = '', ''
    for distribution in requirement.distributions:
        try:
            found = version_of(distribution) or ''
        except metadata.PackageNotFoundError:
            continue
        if found:
            break

    def row(status: str, note: str) -> Row:
        return Row(requirement.name, found or 'missing', requirement.expected, status, note)

    if not found:
        return row(bad, f'{requirement.purpose or "needed"}; to get it: {requirement.get}')
    number = release(found)
    if ((requirement.minimum and number < release(requirement.minimum))
            or (requirement.below and number >= release(requirement.below))):
        return row(bad, f'does not fit; to get one that does: {requirement.get}')
    if not quick and requirement.module:
        error = _import_error(requirement.module)
        if error:
            return row(bad, f'does not import: {error}')
    if requirement.tested_below and number >= release(requirement.tested_below):
        return row(WARNING, f'untested from {requirement.tested_below} on')
    return row(OK, f'as {distribution}' if distribution != requirement.distributions[0]
               else requirement.purpose)


def check_pairs(version_of: Callable[[str], str] = metadata.version) -> tuple[Row, ...]:
    """Torchvision and NumPy that do not fit the PyTorch that is there.

    Args:
        version_of (Callable): See :func:`check_package`.
    """
    def found(name: str) -> str:
        try:
            return version_of(name) or ''
        except metadata.PackageNotFoundError:
            return ''

    torch, torchvision, numpy = found('torch'), found('torchvision'), found('numpy')
    if not torch:
        return ()
    rows = []
    wanted = torchvision_for(torch)
    if torchvision and release(torchvision)[:2] != release(wanted):
        rows.append(Row('torchvision', torchvision, wanted, WRONG,
                        f'not the one for PyTorch {torch}: pip uninstall torchvision, '
                        f'then {INSTALL}'))
    limit = numpy_limit(torch)
    if numpy and limit and release(numpy) >= release(limit):
        rows.append(Row('NumPy', numpy, f'< {limit}', WRONG,
                        f'PyTorch {torch} cannot exchange arrays with it: {INSTALL}'))
    return tuple(rows)


@contextmanager
def _silence():
    """Keep the warnings and log lines of what is imported out of the table."""
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            yield
    finally:
        logging.disable(level)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f'{type(error).__name__}: {lines[0] if lines else ""}'.strip()


def _import_error(module: str) -> str:
    """Import a module; the first line of what went wrong, '' when nothing did."""
    try:
        with _silence():
            importlib.import_module(module)
    except Exception as error:  # whatever a foreign module raises is the finding
        return _first_line(error)
    return ''


def check_trials() -> tuple[tuple[Row, ...], tuple[Row, ...]]:
    """Rows of what was tried, and of the GPUs; both empty without PyTorch."""
    if _import_error('torch'):
        return (), ()
    from cdvd_mm import trials
    with _silence():
        tried = tuple(_row_of(trial) for trial in trials.TRIALS)
        devices = tuple(_row_of(trial) for trial in trials.device_trials())
    return tried, devices


def _row_of(trial) -> Row:
    """Run a ``cdvd_mm.trials.Trial``."""
    try:
        outcome = trial.run()
    except Exception as error:  # whatever goes wrong is the finding
        return Row(trial.name, 'does not work', '', WRONG if trial.required else WARNING,
                   _first_line(error))
    return Row(trial.name, outcome.found, '', OK, outcome.note)


def check(quick: bool = False) -> Report:
    """Check everything.

    Args:
        quick (bool): Compare versions without importing anything. Defaults to False.
    """
    packages = {'Python': check_python()}
    packages.update((entry.name, check_package(entry, quick)) for entry in REQUIREMENTS)
    packages.update((row.name, row) for row in check_pairs() if packages[row.name].status != WRONG)
    return Report(tuple(packages.values()), *(((), ()) if quick else check_trials()))


def render(report: Report, stream) -> None:
    """Write the tables.

    Args:
        report (Report): What ``check`` returned.
        stream (TextIO): Where to write them.
    """
    tables = [('Packages', ('package', 'found', 'expected', 'status', 'note'), report.packages),
              ('Tried', ('what', 'runs', '', 'status', 'note'), report.trials),
              ('Devices', ('device', 'name', '', 'status', 'note'), report.devices)]
    for title, header, rows in tables:
        if rows:
            _render_table(title, header, rows, stream)
    absent = [row.name for row in report.packages
              if row.found == 'missing' and row.status != WRONG]
    if report.wrong:
        stream.write('Not complete. To mend:\n')
        for row in report.wrong:
            expected = row.expected or 'it to work'
            stream.write(f'  {row.name}: found {row.found}, expected {expected}; {row.note}\n')
    else:
        stream.write('Everything required is there.\n')
    if absent:
        stream.write(f'Optional and not there: {", ".join(absent)}.\n')


def _render_table(title: str, header: Sequence[str], rows: Sequence[Row], stream) -> None:
    cells: Sequence[Sequence[str]] = [
        (row.name, row.found, row.expected, row.status, row.note) for row in rows]
    keep = [index for index in range(5) if header[index] and any(cell[index] for cell in cells)]
    header = [header[index] for index in keep]
    cells = [[cell[index] for index in keep] for cell in cells]
    try:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text
    except ImportError:
        widths = [max(len(line[i]) for line in [header, *cells]) for i in range(len(header))]
        stream.write(f'{title}\n')
        for line in [header, *cells]:
            stream.write('  '.join(text.ljust(width) for text, width in zip(line, widths)).rstrip()
                         + '\n')
        stream.write('\n')
        return
    colours = {OK: 'green', WARNING: 'yellow', WRONG: 'bold red'}
    table = Table(title=title, title_justify='left', title_style='bold')
    for name in header:
        table.add_column(name, overflow='fold', no_wrap=name in ('package', 'status'))
    for row, cell in zip(rows, cells):
        table.add_row(*(Text(text, style=colours[row.status] if text == row.status else '')
                        for text in cell))
    console = Console(file=stream)
    if not console.is_terminal:
        console = Console(file=stream, width=132)
    console.print(table)


@dataclass(frozen=True, kw_only=True)
class CheckEnvOptions:
    """Show versions, try what has to work, show GPUs.

    The exit code is 1 where something required is missing or does not work.
    """

    quick: bool = option(False, 'compare versions only, without importing anything')
    python: bool = option(False, 'say nothing, look whether this Python fits', hidden=True)


def check_env(options: CheckEnvOptions) -> int:
    """Check and show; the exit code is 0 where everything required is there, 1 otherwise."""
    if options.python:
        return 0 if check_python().status == OK else 1
    report = check(options.quick)
    sys.stdout.write(f'cdvd_mm on {platform.platform()}, {sys.executable}\n')
    render(report, sys.stdout)
    return 0 if report.complete else 1


if __name__ == '__main__':
    from cdvd_mm.cli import run
    sys.exit(run('check-env'))
