"""The parents that this package is written for: absent ones are explained, unfit ones warned of."""

import importlib.util
import sys
import warnings
from importlib import metadata

from cdvd_mm.errors import UserError
from cdvd_mm.requirements import INSTALL, Requirement, of_group, release


class MissingParentError(UserError, ModuleNotFoundError):
    """PyTorch, MMagic or another parent is not installed; the message says how to get it."""


def parents() -> list[Requirement]:
    """What has to be there before anything of this package runs."""
    return of_group('torch', 'parents') + [
        entry for entry in of_group('base') if entry.name in ('mmengine', 'NumPy', 'OpenCV')]


def explain_missing(error: ModuleNotFoundError) -> None:
    """Say how to get the parents where an import failed for want of one.

    Args:
        error (ModuleNotFoundError): What the import raised.

    Raises:
        MissingParentError: In its place, where a parent is missing.
    """
    def top(module: str) -> str:
        return module.partition('.')[0]

    missing = [entry for entry in parents() if top(entry.module) not in sys.modules
               and importlib.util.find_spec(top(entry.module)) is None]
    if top(error.name or '') in {top(entry.module) for entry in missing}:
        raise MissingParentError(
            f'cdvd_mm needs {", ".join(entry.name for entry in missing)}, which this Python '
            f'({sys.executable}) does not have. To get what is missing, at versions that work '
            f'together: {INSTALL}, or python -m cdvd_mm install (--dry-run shows what pip would '
            'be told)', name=error.name) from error


def check_parents() -> None:
    """Warn of versions that are known not to work; a missing parent fails on use."""
    for entry in parents():
        for name in entry.distributions:
            try:
                version = metadata.version(name)
            except metadata.PackageNotFoundError:
                continue
            too_old = entry.minimum and release(version) < release(entry.minimum)
            if too_old or entry.below and release(version) >= release(entry.below):
                warnings.warn(f'cdvd_mm needs {name} {entry.expected}, but {version} is installed '
                              f'and may not work; {INSTALL} installs versions that work together, '
                              'cdvd-mm check-env shows all of them', stacklevel=3)
