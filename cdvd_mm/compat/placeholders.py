"""Placeholders for generative dependencies that video restoration never calls.

Importing ``mmagic.models`` executes every editor of MMagic, the generative
ones included, with their imports of diffusers, transformers and others.
Here a module of MMagic gets, for the time of its own execution, an
``__import__`` of its own: an import of one of ``GENERATIVE`` that fails, or
that lacks a wanted name, yields a placeholder. A package that is installed
and works is imported as ever. Placeholders never enter ``sys.modules``, so no
other library can meet one.
"""

import builtins
import contextlib
import importlib
import sys
from abc import ABCMeta
from collections.abc import Iterator
from types import ModuleType

from . import numpy_names

GENERATIVE = frozenset({
    'albumentations', 'av', 'clip', 'controlnet_aux', 'diffusers', 'face_alignment', 'facexlib',
    'huggingface_hub', 'lpips', 'mediapipe', 'open_clip', 'pandas', 'resize_right', 'safetensors',
    'transformers',
})
"""Top-level packages that may be answered for."""

_depth = 0  # guarded modules in execution right now


class _PlaceholderType(ABCMeta):
    """Type of placeholders: any attribute is a placeholder too."""

    def __getattr__(cls, name: str):
        if name.startswith('__'):
            raise AttributeError(name)
        return make_placeholder(f'{cls._placeholder_for}.{name}')

    def __dir__(cls):
        return []  # MMagic registers all that it finds in diffusers


class Placeholder(metaclass=_PlaceholderType):
    """Stands for a class or function of a package that is not there.

    While MMagic is being imported it can be subclassed and used as a
    decorator (the decorated object is returned unchanged). Later use raises
    ImportError naming the package.
    """

    _placeholder_for = ''

    def __new__(cls, *args, **kwargs):  # noqa: D102
        if _depth == 0:
            name = cls._placeholder_for
            package = name.partition('.')[0]
            raise ImportError(
                f'{cls.__module__}.{cls.__qualname__} needs {name}, but the package '
                f'"{package}" is not installed in a version that works with MMagic 1.2.0. '
                f'Video restoration does not need it; for this model: pip install {package}',
                name=package)
        if len(args) == 1 and not kwargs and callable(args[0]):
            return args[0]
        return super().__new__(cls)

    def __bool__(self) -> bool:
        return False  # "is it available?": no


def make_placeholder(name: str) -> type:
    """Return a new placeholder class for the dotted ``name``."""
    return _PlaceholderType(name.rpartition('.')[2], (Placeholder, ),
                            {'_placeholder_for': name, '__module__': name.rpartition('.')[0]})


class PlaceholderModule(ModuleType):
    """Stands for a module that is not there; its attributes are placeholders."""

    def __getattr__(self, name: str):
        if name.startswith('__'):
            raise AttributeError(name)
        return make_placeholder(f'{self.__name__}.{name}')

    def __dir__(self):
        return []


class _ImportLib(ModuleType):
    """importlib for MMagic's ``try_import``, which cannot do without diffusers."""

    def __getattr__(self, name: str):
        return getattr(importlib, name)

    @staticmethod
    def import_module(name: str, package: str | None = None) -> ModuleType:
        """Import ``name``; a placeholder for diffusers while MMagic is imported."""
        try:
            return importlib.import_module(name, package)
        except Exception:
            if _depth and name == 'diffusers':
                return PlaceholderModule(name)
            raise


def _provides(module: ModuleType, names) -> bool:
    return all(
        name == '*' or hasattr(module, name) or f'{module.__name__}.{name}' in sys.modules
        for name in names or ())


@contextlib.contextmanager
def for_module(module: ModuleType) -> Iterator[None]:
    """Let ``module`` be executed with placeholders within reach.

    Args:
        module (ModuleType): A module of a parent, created and not yet
            executed. Its ``__builtins__`` become a copy of the real ones with
            an ``__import__`` that falls back to placeholders until this
            context ends, and is the plain one from then on.
    """
    global _depth
    executing = True

    def guarded_import(name, globals=None, locals=None, fromlist=(), level=0):
        if not executing or level:
            return builtins.__import__(name, globals, locals, fromlist, level)
        package = name.partition('.')[0]
        if package == 'numpy':
            return numpy_names.with_dropped_names(
                builtins.__import__(name, globals, locals, fromlist, level))
        if name == 'importlib' and module.__name__ == 'mmagic.utils.setup_env':
            return _ImportLib(name)
        if package not in GENERATIVE:
            return builtins.__import__(name, globals, locals, fromlist, level)
        try:
            found = builtins.__import__(name, globals, locals, fromlist, level)
            if _provides(found, fromlist):
                return found
        except Exception:  # whatever a broken or outdated package raises
            pass
        return PlaceholderModule(name if fromlist else package)

    module.__dict__['__builtins__'] = {**vars(builtins), '__import__': guarded_import}
    _depth += 1
    try:
        yield
    finally:
        _depth -= 1
        executing = False
