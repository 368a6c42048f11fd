"""``python -m cdvd_mm.check_env``: is everything there, and what runs how.

Needs the standard library alone, so that it can say what is missing where PyTorch
or MMagic is; the tables are drawn with rich where that is installed.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import logging
import platform
import re
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata

INSTALL = 'bash tools/install.sh'

OK, WARNING, WRONG = 'ok', 'warning', 'wrong'


@dataclass(frozen=True)
class Requirement:
    """A package, the versions that fit, and how to get it.

    Attributes:
        name (str): Name in the table.
        module (str): Module to import as the proof that it works.
        distributions (tuple[str, ...]): Any of these provides it; the first is the usual one.
        minimum (str): Lowest version that fits; '' for any.
        below (str): First version that does not fit any more; '' for none.
        tested_below (str): Versions from here on are untested, which is a warning.
        required (bool): Whether cdvd_mm works at all without it.
        purpose (str): What it is for.
        get (str): How to get it.
    """

    name: str
    module: str
    distributions: tuple[str, ...]
    minimum: str = ''
    below: str = ''
    tested_below: str = ''
    required: bool = True
    purpose: str = ''
    get: str = INSTALL

    @property
    def expected(self) -> str:
        """The versions that fit, in words."""
        if not (self.minimum or self.below):
            return 'any'
        if self.minimum and self.below == _next_release(self.minimum):
            return self.minimum
        parts = [f'>= {self.minimum}'] if self.minimum else []
        return ', '.join(parts + ([f'< {self.below}'] if self.below else []))


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
        ops (tuple[Row, ...]): A row for every operation that has more than one form.
        devices (tuple[Row, ...]): A row for every GPU, or one that says there is none.
    """

    packages: tuple[Row, ...]
    ops: tuple[Row, ...] = ()
    devices: tuple[Row, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether nothing that is required is missing or wrong."""
        return all(row.status != WRONG for row in self.packages + self.ops)


def _pinned(name: str, module: str, distributions: Sequence[str], version: str,
            purpose: str) -> Requirement:
    return Requirement(name, module, tuple(distributions), version, _next_release(version),
                       purpose=purpose)


def _extra(name: str, module: str, distribution: str, extra: str, purpose: str,
           minimum: str = '') -> Requirement:
    return Requirement(name, module, (distribution,), minimum, required=False, purpose=purpose,
                       get=f'{INSTALL} --extras {extra}, or pip install {distribution}')


def _next_release(version: str) -> str:
    """The first version after all pre- and post-releases of this one: 2.0.1 gives 2.0.2."""
    head, _, last = re.match(r'[\d.]+', version)[0].rpartition('.')
    return f'{head}.{int(last) + 1}'


REQUIREMENTS: tuple[Requirement, ...] = (
    Requirement('PyTorch', 'torch', ('torch',), '2.1', tested_below='2.15'),
    Requirement('torchvision', 'torchvision', ('torchvision',), '0.16',
                purpose='deformable convolution'),
    Requirement('NumPy', 'numpy', ('numpy',), '1.26'),
    Requirement('OpenCV', 'cv2', ('opencv-python', 'opencv-python-headless',
                                  'opencv-contrib-python'), '4.8'),
    _pinned('mmengine', 'mmengine', ['mmengine', 'mmengine-lite'], '0.10.7', 'runner, configs'),
    Requirement('mmcv', 'mmcv', ('mmcv', 'mmcv-lite'), '2.0.0', '2.1.0',
                purpose='either form: compiled, or mmcv-lite'),
    _pinned('MMagic', 'mmagic.models', ['mmagic'], '1.2.0', 'models, datasets, metrics'),
    _pinned('MMFlow', 'mmflow.models', ['mmflow'], '1.0.0rc0', 'flow networks'),
    Requirement('click', 'click', ('click',), purpose='needed by MMagic'),
    Requirement('einops', 'einops', ('einops',), purpose='needed by MMagic'),
    Requirement('imageio', 'imageio', ('imageio',), purpose='needed by MMagic'),
    Requirement('packaging', 'packaging', ('packaging',), purpose='needed by mmcv'),
    Requirement('requests', 'requests', ('requests',), purpose='needed by MMagic'),
    Requirement('rich', 'rich', ('rich',), purpose='progress bar, tables'),
    Requirement('SciPy', 'scipy', ('scipy',), purpose='needed by MMagic'),
    Requirement('setuptools', 'setuptools', ('setuptools',), '', '82',
                purpose='pkg_resources, which mmengine uses'),
    Requirement('tensorboard', 'tensorboard', ('tensorboard',), purpose='training curves'),
    Requirement('tqdm', 'tqdm', ('tqdm',), purpose='needed by MMagic'),
    _extra('PyAV', 'av', 'av', 'video', 'reading and writing video files', '17'),
    _extra('lmdb', 'lmdb', 'lmdb', 'data', 'datasets packed into one file'),
    _extra('matplotlib', 'matplotlib', 'matplotlib', 'figures', 'comparison figures'),
    _extra('scikit-image', 'skimage', 'scikit-image', 'figures', 'photographs of the demo', '0.22'),
    _extra('pytest', 'pytest', 'pytest', 'tests', 'test suite', '8'),
    _extra('pytest-timeout', 'pytest_timeout', 'pytest-timeout', 'tests', 'test suite'),
    _extra('hypothesis', 'hypothesis', 'hypothesis', 'tests', 'test suite'),
    _extra('ruff', '', 'ruff', 'tests', 'style'),
    Requirement('triton', 'triton', ('triton',), required=False,
                purpose='fast kernels on a GPU', get='comes with PyTorch for CUDA'),
    Requirement('lpips', 'lpips', ('lpips',), required=False, purpose='LPIPS metric of MMagic',
                get='pip install lpips'),
)


def release(version: str) -> tuple[int, ...]:
    """Numbers of a version, without its pre-release and local parts: '2.11.0+cpu' is (2, 11, 0).

    Trailing zeros are dropped, so that '2.1' equals '2.1.0'.
    """
    match = re.match(r'\d+(?:\.\d+)*', version)
    numbers = [int(part) for part in match[0].split('.')] if match else []
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def check_python(version: Sequence[int] = sys.version_info) -> Row:
    """The interpreter: 3.10 to 3.12.

    Args:
        version (Sequence[int]): Major, minor and patch number.
    """
    fits = (3, 10) <= tuple(version[:2]) < (3, 13)
    return Row('Python', '.'.join(map(str, version[:3])), '>= 3.10, < 3.13', OK if fits else WRONG,
               '' if fits else f'make an environment with a fitting one: {INSTALL} --python PYTHON')


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


def check_torchvision_fits() -> Row | None:
    """Torchvision is compiled for one release of PyTorch; None where either is missing."""
    try:
        torch_version, needs = metadata.version('torch'), metadata.requires('torchvision') or []
    except metadata.PackageNotFoundError:
        return None
    pins = [match[1] for need in needs if (match := re.match(r'torch\s*\(?==\s*([\w.]+)', need))]
    if not pins or release(pins[0]) == release(torch_version):
        return None
    return Row('torchvision', metadata.version('torchvision'),
               f'the one for PyTorch {torch_version}', WRONG,
               f'made for PyTorch {pins[0]}: pip uninstall torchvision, then {INSTALL}')


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


def _import_error(module: str) -> str:
    """Import a module; the first line of what went wrong, '' when nothing did."""
    try:
        with _silence():
            importlib.import_module(module)
    except Exception as error:  # whatever a foreign module raises is the finding
        lines = str(error).strip().splitlines()
        return f'{type(error).__name__}: {lines[0] if lines else ""}'.strip()
    return ''


def check_ops() -> tuple[Row, ...]:
    """Which operations run compiled and which in plain torch; empty without PyTorch.

    The first are this package's own, those called ``mmcv`` are the ones that networks of MMagic and
    MMFlow call.
    """
    if _import_error('torch'):
        return ()
    import torch
    with _silence():
        gpu = torch.cuda.is_available()
    triton = not _import_error('triton')
    form, note = 'plain torch', 'Triton kernels would be used on a GPU'
    if gpu:
        form, note = ('Triton', '') if triton else ('plain torch', 'faster with triton')
    rows = [Row(name, form, '', OK, note) for name in ('correlation', 'flow_warp', 'triple_input')]
    rows.append(Row('filter_adaptive_conv', 'plain torch', '', OK))
    error = _import_error('mmcv.ops')
    if error:
        rows.append(Row('mmcv.ops', 'does not import', '', WRONG, error))
        return tuple(rows)
    names = ('mmcv correlation', 'mmcv deform_conv', 'mmcv modulated_deform_conv')
    if _compiled_mmcv():
        return (*rows, *(Row(name, 'compiled (mmcv)', '', OK) for name in names))
    forms = ['plain torch (stand-in)'] + 2 * ['compiled (torchvision, through the stand-in)'
                                              if _torchvision_ops() else 'plain torch (stand-in)']
    note = 'a compiled mmcv 2.0 would be used where there is one'
    return (*rows, *(Row(name, form, '', OK, note) for name, form in zip(names, forms)))


def _compiled_mmcv() -> bool:
    """Whether mmcv brings its compiled extension."""
    spec = importlib.util.find_spec('mmcv')
    locations = spec.submodule_search_locations if spec else None
    from importlib.machinery import EXTENSION_SUFFIXES
    from pathlib import Path
    return any(Path(folder, f'_ext{suffix}').is_file()
               for folder in locations or () for suffix in EXTENSION_SUFFIXES)


def _torchvision_ops() -> bool:
    """Whether torchvision's compiled operations are there and loaded."""
    if _import_error('torchvision.ops'):
        return False
    import torch
    return hasattr(torch.ops.torchvision, 'deform_conv2d')


def check_devices() -> tuple[Row, ...]:
    """A row for every GPU, or one that says why there is none; empty without PyTorch."""
    if _import_error('torch'):
        return ()
    import torch
    if torch.version.cuda is None and getattr(torch.version, 'hip', None) is None:
        return (Row('GPU', 'none', '', OK, 'this PyTorch is built for the CPU only'),)
    with _silence():
        available = torch.cuda.is_available()
    if not available:
        return (Row('GPU', 'none', '', OK, f'PyTorch is built for CUDA {torch.version.cuda}, '
                    'but no usable GPU or driver was found: everything runs on the CPU'),)
    rows = []
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        rows.append(Row(f'GPU {index}', properties.name, '', OK,
                        f'{properties.total_memory / 2**30:.0f} GiB, compute capability '
                        f'{properties.major}.{properties.minor}, CUDA {torch.version.cuda}'))
    return tuple(rows)


def check(quick: bool = False) -> Report:
    """Check everything.

    Args:
        quick (bool): Compare versions without importing anything. Defaults to False.
    """
    packages = [check_python()]
    for requirement in REQUIREMENTS:
        row = check_package(requirement, quick)
        if requirement.name == 'torchvision' and row.status != WRONG:
            row = check_torchvision_fits() or row
        packages.append(row)
    if quick:
        return Report(tuple(packages))
    return Report(tuple(packages), check_ops(), check_devices())


def render(report: Report, stream) -> None:
    """Write the tables.

    Args:
        report (Report): What ``check`` returned.
        stream (TextIO): Where to write them.
    """
    tables = [('Packages', ('package', 'found', 'expected', 'status', 'note'), report.packages),
              ('Operations', ('operation', 'runs', '', 'status', 'note'), report.ops),
              ('Devices', ('device', 'name', '', 'status', 'note'), report.devices)]
    for title, header, rows in tables:
        if rows:
            _render_table(title, header, rows, stream)
    wrong = [row for row in report.packages + report.ops if row.status == WRONG]
    absent = [row.name for row in report.packages if row.found == 'missing' and row not in wrong]
    if wrong:
        stream.write('Not complete. To mend:\n')
        for row in wrong:
            expected = row.expected or 'it to work'
            stream.write(f'  {row.name}: found {row.found}, expected {expected}; {row.note}\n')
    else:
        stream.write('Everything required is there.\n')
    if absent:
        stream.write(f'Optional and not there: {", ".join(absent)}.\n')


def _render_table(title: str, header: Sequence[str], rows: Sequence[Row], stream) -> None:
    cells = [(row.name, row.found, row.expected, row.status, row.note) for row in rows]
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


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; the exit code is 0 where everything required is there, 1 otherwise."""
    parser = argparse.ArgumentParser(
        prog='python -m cdvd_mm.check_env',
        description='Show versions, operations and GPUs; exit code 1 when something is missing.')
    parser.add_argument('--quick', action='store_true',
                        help='compare versions only, without importing anything')
    args = parser.parse_args(argv)
    report = check(args.quick)
    sys.stdout.write(f'cdvd_mm on {platform.platform()}, {sys.executable}\n')
    render(report, sys.stdout)
    return 0 if report.complete else 1


if __name__ == '__main__':
    sys.exit(main())
