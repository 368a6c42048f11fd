"""``cdvd_mm::cdvd_gopro.py``: configs of this package by name, as MMEngine names those of others.

MMEngine knows the packages of OpenMMLab alone, wants a folder in the name (``edvr/...``), and looks
for an editable installation in the wrong place. Names of this package are therefore looked up
here; all others as ever.
"""

import difflib
from pathlib import Path
from types import ModuleType

PREFIX = 'cdvd_mm::'
_PACKAGE = Path(__file__).resolve().parents[1]


def folder() -> Path:
    """Where the configs are: inside of an installed package, beside it in a checkout."""
    inside = _PACKAGE / '.mim' / 'configs'
    return inside.resolve() if inside.is_dir() else _PACKAGE.parent / 'configs'


def resolve(name: str) -> str:
    """Return the path of a config.

    Args:
        name (str): ``cdvd_mm::cdvd_gopro.py``, ``cdvd_mm::edvr/edvr-deblur_gopro.py``; or a path,
            which is returned as it is.

    Raises:
        FileNotFoundError: This package has no config of that name.
    """
    if not name.startswith(PREFIX):
        return name
    wanted = name.removeprefix(PREFIX)
    root = folder()
    known = [path.relative_to(root).as_posix() for path in sorted(root.rglob('*.py'))]
    if wanted not in known:
        close = difflib.get_close_matches(wanted, known, 3, 0.5) or known
        raise FileNotFoundError(f'config not found: {name}; there are '
                                + ', '.join(PREFIX + path for path in close))
    return str(root / wanted)


def add_package(utils_module: ModuleType) -> None:
    """Tell MMEngine of this package.

    Args:
        utils_module (ModuleType): ``mmengine.config.utils``.
    """
    utils_module.MODULE2PACKAGE.setdefault('cdvd_mm', 'cdvd_mm')


def install(config_module: ModuleType) -> None:
    """Let ``_base_`` take the names of this package.

    Args:
        config_module (ModuleType): ``mmengine.config.config``.
    """
    config_class = config_module.Config
    theirs = config_class._get_cfg_path

    def _get_cfg_path(cfg_path: str, filename: str) -> tuple[str, str | None]:
        if cfg_path.startswith(PREFIX):
            return resolve(cfg_path), 'cdvd_mm'
        return theirs(cfg_path, filename)

    config_class._get_cfg_path = staticmethod(_get_cfg_path)
