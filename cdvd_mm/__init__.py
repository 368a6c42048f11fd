"""cdvd_mm: cascaded video deblurring with a temporal sharpness prior, for MMagic."""

from . import compat
from .version import __version__

__all__ = ['__version__']

compat.install()
