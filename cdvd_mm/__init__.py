"""cdvd_mm: cascaded video deblurring with a temporal sharpness prior, for MMagic."""

from . import compat
from .version import __version__

__all__ = ['__version__']

compat.install()
compat.check_parents()


def __getattr__(name: str):
    """Find a registered class by its name: ``from cdvd_mm import CDVDNet``.

    MMEngine resolves ``type='cdvd_mm.CDVDNet'`` this way too where a registry
    outside of this package's own line of parents meets it.
    """
    if name[:1].isupper():
        from . import registry
        found = registry.find(name)
        if found is not None:
            return found
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
