"""What lets the frozen OpenMMLab releases run on today's PyTorch and NumPy.

``install`` puts one finder on ``sys.meta_path`` and changes nothing else: no
function of PyTorch or of NumPy is replaced, and nothing heavy is imported. The
finder acts when, and only when, a parent's module or one of this package is
imported:

* modules of MMagic and MMFlow see placeholders for generative packages that
  are absent or do not work, while their own code is executed and nowhere else
  (``placeholders``), and the NumPy names that NumPy 2 dropped (``numpy_names``);
* ``mmcv._ext`` resolves to a plain-torch stand-in where mmcv has no compiled
  one (``mmcv_ext``);
* MMEngine's checkpoint loader reads with ``weights_only=True`` and an
  allow-list (``checkpoint``);
* MMEngine's configs find those of this package by name (``config_names``);
* a module of this package that lacks a parent says how to get it (``versions``).

``distributed.init_cpu_process_group`` starts the process group that MMEngine's
launcher cannot start without a GPU.
"""

from .import_hooks import install
from .versions import check_parents

__all__ = ['check_parents', 'install']
