"""The versions of the parents that this package is written for."""

import warnings
from importlib import metadata

PARENTS = {
    'mmagic': ('mmagic', '==1.2.0'),
    'mmflow': ('mmflow', '==1.0.0rc0'),
    'mmengine': ('mmengine', '>=0.10.4,<0.11'),
    'mmcv': (('mmcv-lite', 'mmcv'), '>=2.0.0,<2.1'),
    'torch': ('torch', '>=2.1'),
}
"""By import name: the distribution, or several that provide it, and its versions."""


def installed_version(distributions) -> tuple[str, str] | None:
    """Return name and version of the first of ``distributions`` that is installed."""
    names = (distributions, ) if isinstance(distributions, str) else distributions
    for name in names:
        try:
            return name, metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None


def check_parents() -> None:
    """Warn of versions that are known not to work; a missing parent fails on use."""
    for distributions, wanted in PARENTS.values():
        found = installed_version(distributions)
        if found is None:
            continue
        from packaging.specifiers import SpecifierSet  # which comes with mmcv
        if not SpecifierSet(wanted).contains(found[1], prereleases=True):
            warnings.warn(f'cdvd_mm needs {found[0]}{wanted}, but {found[1]} is installed and may '
                          'not work; tools/install.sh installs versions that work together, '
                          'python -m cdvd_mm.check_env shows all of them', stacklevel=3)
