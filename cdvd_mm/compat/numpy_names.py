"""NumPy as MMagic and MMFlow knew it, for their eyes only.

NumPy 1.24 removed ``np.int`` and NumPy 2 removed ``np.bool8``, which these
packages still name. NumPy itself is not touched.
"""

from types import ModuleType

DROPPED = {'bool8': 'bool_', 'int': int}
"""Removed names that the parents use: a NumPy name or the type itself."""


class _NumPy(ModuleType):
    """All of NumPy, and the names that were dropped."""

    def __init__(self, numpy: ModuleType, names: dict) -> None:
        super().__init__('numpy')
        self.__dict__.update(names, _numpy=numpy)

    def __getattr__(self, name: str):
        return getattr(self._numpy, name)

    def __dir__(self):
        return dir(self._numpy)


def with_dropped_names(numpy: ModuleType) -> ModuleType:
    """Return ``numpy``, or a view of it with the dropped names in addition.

    Args:
        numpy (ModuleType): What ``import`` gave: NumPy or one of its modules.
    """
    if numpy.__name__ != 'numpy':
        return numpy
    missing = {name: now for name, now in DROPPED.items() if name not in vars(numpy)}
    if not missing:
        return numpy
    return _NumPy(numpy, {
        name: getattr(numpy, now) if isinstance(now, str) else now
        for name, now in missing.items()
    })
