"""``cdvd-mm install``: PyTorch, MMagic, MMFlow and the rest, at versions that work together.

MMagic and MMFlow come without the dependencies that their wheels ask for: those are for generating
images. What fits and is there already stays as it is. Needs the standard library and pip alone;
the versions are those of ``cdvd_mm.requirements``.
"""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata

from cdvd_mm.options import option
from cdvd_mm.requirements import (
    EXTRAS,
    TORCH,
    Requirement,
    find,
    numpy_limit,
    of_group,
    release,
    torchvision_for,
)

_STDERR = 2  # what is said on the way; stdout is for scripts that ask for the Python


@dataclass(frozen=True, kw_only=True)
class InstallOptions:
    """Install what cdvd_mm needs into this Python's environment."""

    torch: str = option(TORCH, 'PyTorch to install where there is none', metavar='VERSION')
    torchvision: str = option('', 'torchvision to install', metavar='VERSION',
                              shown_default='the one made for that PyTorch')
    torch_index: str = option('', 'index to get these two from, e.g. one with builds for the CPU',
                              metavar='URL', shown_default='the ordinary index')
    extras: str = option('video,data,figures', f'some of {",".join(EXTRAS)}, or all',
                         metavar='NAMES')
    editable: str = option('', 'checkout to install as well, editable', metavar='DIR')
    dry_run: bool = option(False, "print pip's lines and do nothing")

    def __post_init__(self) -> None:
        if not (re.fullmatch(r'2\.\d+(\.\d+)?', self.torch)
                and release(self.torch) >= release(find('PyTorch').minimum)):
            raise ValueError(f'--torch must look like {TORCH} and be '
                             f'{find("PyTorch").expected}, found: {self.torch}')
        unknown = set(self.extras.split(',')) - {'all', *EXTRAS}
        if unknown:
            raise ValueError(f'--extras must be some of all,{",".join(EXTRAS)}, '
                             f'found: {self.extras}')

    @property
    def chosen_extras(self) -> list[str]:
        """The names of the extras."""
        named = self.extras.split(',')
        return [name for name in EXTRAS if name in named or 'all' in named]


@dataclass(frozen=True)
class Step:
    """One call of pip: what it is for, and what comes after ``pip install``."""

    what: str
    arguments: tuple[str, ...]

    @property
    def line(self) -> str:
        """The call as a shell takes it."""
        return shlex.join(['python', '-m', 'pip', 'install', *self.arguments])


def installed(distribution: str) -> str:
    """Version of an installed distribution, '' where there is none."""
    try:
        return metadata.version(distribution) or ''
    except metadata.PackageNotFoundError:
        return ''


def plan(options: InstallOptions, found: Callable[[str], str] = installed) -> list[Step]:
    """The calls of pip that put everything in place.

    Args:
        options (InstallOptions): What is wanted.
        found (Callable): From a distribution to its installed version, '' where there is none.

    Raises:
        ValueError: Something is installed that does not fit and is not ours to replace.
    """
    there = found('torch')
    torch = there or (options.torch if options.torch.count('.') == 2 else f'{options.torch}.0')
    if release(torch) < release(find('PyTorch').minimum):
        raise ValueError(f'PyTorch {torch} is in this environment; {find("PyTorch").expected} is '
                         'needed. Upgrade it, or use another environment.')
    steps = []
    if options.editable:
        steps.append(Step('what builds', (find('setuptools').pip, find('wheel').pip)))
    limit = numpy_limit(torch)
    numpy = [f'numpy<{limit}'] if limit else []
    torchvision = there and found('torchvision')
    if not torchvision:
        torchvision = options.torchvision or torchvision_for(torch)
        # '===' keeps out builds with a local label (2.13.0+cpu), which no torchvision of the
        # ordinary index fits; an index of one's own choice is free to label its builds.
        equal = '==' if there or options.torch_index else '==='
        index = ('--index-url', options.torch_index) if options.torch_index else ()
        steps.append(Step(f'PyTorch {torch} and torchvision {torchvision} (minutes, some GB)',
                          (*index, f'torch{equal}{torch}', f'torchvision=={torchvision}',
                           *([] if index else numpy))))
    if options.editable:
        extras = ','.join(options.chosen_extras)
        wanted = ['--no-build-isolation', '--editable', f'{options.editable}[{extras}]']
    else:
        wanted = [entry.pip for entry in of_group('base', *options.chosen_extras)]
    # named again so that nothing replaces them
    pins = [f'torch=={torch}', f'torchvision=={torchvision}', *numpy]
    mmcv = _mmcv(found)
    steps.append(Step(f'the requirements, with extras: {options.extras}',
                      (*wanted, *mmcv, *pins)))
    parents = [entry.pip for entry in of_group('parents') if entry.name != 'mmcv']
    steps.append(Step('MMagic and MMFlow, without their generative dependencies',
                      ('--no-deps', *parents)))
    return steps


def _mmcv(found: Callable[[str], str]) -> list[str]:
    """What to tell pip about mmcv: nothing where either form of it is there and fits."""
    entry = find('mmcv')
    for name in reversed(entry.distributions):
        version = found(name)
        if version and _fits(entry, version):
            return []
        if version and name == 'mmcv':
            raise ValueError(f'mmcv {version} is in this environment; {entry.expected} is needed. '
                             'Remove it (pip uninstall mmcv), or use another environment.')
    return [entry.pip]


def _fits(entry: Requirement, version: str) -> bool:
    return release(entry.minimum) <= release(version) < release(entry.below)


def say(text: str) -> None:
    """Tell how far it is."""
    sys.stderr.write(f'[install] {text}\n')
    sys.stderr.flush()


def _pip(step: Step) -> None:
    say(step.what)
    # A download of minutes shows its progress to a person, and only to a person.
    quiet = [] if sys.stderr.isatty() and 'minutes' in step.what else ['--quiet']
    done = subprocess.run([sys.executable, '-m', 'pip', 'install', '--disable-pip-version-check',
                           *quiet, *step.arguments], stdout=_STDERR)
    if done.returncode:
        raise ChildProcessError(f'{step.what}: failed (pip says why above); once mended, install '
                                'again')


def _ensure_pip() -> None:
    if importlib.util.find_spec('pip') is None:
        done = subprocess.run([sys.executable, '-m', 'ensurepip'], capture_output=True)
        if done.returncode:
            raise ChildProcessError(f'{sys.executable} has no pip; install it first')


def _mend_opencv() -> None:
    """Put OpenCV's headless build over the ordinary one where that lacks libGL or X11."""
    probe = [sys.executable, '-c', 'import cv2']
    if subprocess.run(probe, capture_output=True).returncode == 0:
        return
    version = installed('opencv-python')
    _pip(Step('OpenCV without windows (libGL or X11 is missing here)',
              ('--no-deps', '--force-reinstall', f'opencv-python-headless=={version}')))
    if subprocess.run(probe).returncode:
        raise ChildProcessError('OpenCV does not import (see above)')


def install(options: InstallOptions) -> int:
    """Install, then check.

    Args:
        options (InstallOptions): What is wanted.

    Returns:
        int: Exit code: 0 where everything works.

    Raises:
        ValueError: Something is installed that does not fit.
        ChildProcessError: A step failed.
    """
    steps = plan(options)
    if options.dry_run:
        sys.stdout.write(''.join(f'{step.line}\n' for step in steps))
        return 0
    _ensure_pip()
    for step in steps:
        _pip(step)
    _mend_opencv()
    say('checking')
    done = subprocess.run([sys.executable, '-m', 'cdvd_mm', 'check-env'], stdout=_STDERR)
    return done.returncode
