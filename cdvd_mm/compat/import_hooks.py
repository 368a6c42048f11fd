"""The finder that prepares the parents' modules while they are imported."""

import importlib
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Callable
from types import ModuleType

from . import config_names, placeholders, versions

GUARDED_PACKAGES = ('mmagic', 'mmflow')
"""Packages whose modules may meet missing generative dependencies."""

STAND_IN = 'mmcv._ext'
"""The compiled module of mmcv that mmcv-lite does not have."""


def _allow_checkpoint_types(module: ModuleType) -> None:
    from . import checkpoint, safe_files
    checkpoint.install(module)
    safe_files.install_loaders(module)


def _read_yaml_safely(module: ModuleType) -> None:
    from . import safe_files
    safe_files.install_yaml(module)


AFTER_IMPORT: dict[str, Callable[[ModuleType], None]] = {
    'mmengine.config.utils': config_names.add_package,
    'mmengine.config.config': config_names.install,
    'mmengine.fileio.handlers': _read_yaml_safely,
    'mmengine.runner.checkpoint': _allow_checkpoint_types,
}
"""What to do once a module has been imported, by its name."""


class _Loader(importlib.abc.Loader):
    """Runs a module with the package's own loader, prepared and followed up."""

    def __init__(self, inner: importlib.abc.Loader, name: str) -> None:
        self.inner = inner
        self.name = name

    def __getattr__(self, attribute: str):
        return getattr(self.inner, attribute)

    def create_module(self, spec: importlib.machinery.ModuleSpec):
        return self.inner.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        if self.name.partition('.')[0] in GUARDED_PACKAGES:
            with placeholders.for_module(module):
                self.inner.exec_module(module)
        else:
            self.inner.exec_module(module)
        if self.name in AFTER_IMPORT:
            AFTER_IMPORT[self.name](module)


class _OwnLoader(_Loader):
    """Runs a module of this package; where a parent is missing, the error says how to get it."""

    def exec_module(self, module: ModuleType) -> None:
        try:
            self.inner.exec_module(module)
        except versions.MissingParentError:
            raise
        except ModuleNotFoundError as error:
            versions.explain_missing(error)
            raise


class _StandInLoader(importlib.abc.Loader):
    """Loads the plain-torch stand-in under the name ``mmcv._ext``."""

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        from . import mmcv_ext
        return mmcv_ext.build_module(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass


class _ParentsFinder(importlib.abc.MetaPathFinder):
    """Finds the parents' modules where they are and wraps their loaders."""

    def find_spec(self, fullname, path=None, target=None):
        package = fullname.partition('.')[0]
        own = package == 'cdvd_mm'
        if not (own or fullname in AFTER_IMPORT or fullname == STAND_IN
                or package in GUARDED_PACKAGES):
            return None
        spec = self._find_elsewhere(fullname, path, target)
        if fullname == STAND_IN:
            # A compiled mmcv goes first.
            return spec or importlib.machinery.ModuleSpec(fullname, _StandInLoader())
        if spec is not None and hasattr(spec.loader, 'exec_module'):
            spec.loader = (_OwnLoader if own else _Loader)(spec.loader, fullname)
        return spec

    def _find_elsewhere(self, fullname, path, target):
        for finder in sys.meta_path:
            find = getattr(finder, 'find_spec', None)
            if find is None or isinstance(finder, _ParentsFinder):
                continue
            spec = find(fullname, path, target)
            if spec is not None:
                return spec
        return None


def install() -> None:
    """Put the finder in place; a second call does nothing.

    Modules that are already imported are left alone, but for those of
    ``AFTER_IMPORT``, which are followed up at once.
    """
    if any(isinstance(finder, _ParentsFinder) for finder in sys.meta_path):
        return
    sys.meta_path.insert(0, _ParentsFinder())
    for name, follow_up in AFTER_IMPORT.items():
        if name in sys.modules:
            follow_up(sys.modules[name])
