"""``python -m cdvd_mm.run SCRIPT [ARGUMENTS]``: run a program of another project with cdvd_mm.

MMagic 1.2.0 does not import under NumPy 2 before this package has been imported, so its own
``tools/train.py`` cannot get as far as a config's ``custom_imports``. Here it can:

    python -m cdvd_mm.run MMAGIC/tools/train.py CONFIG

Whoever writes a program imports ``cdvd_mm`` before ``mmagic`` instead.
"""

import os
import runpy
import sys


def main(argv: list[str]) -> None:
    """Run ``argv[0]`` as Python would, with the rest as its arguments.

    Raises:
        SystemExit: There is no such file, or the program ends with one.
    """
    if not argv or argv[0] in ('-h', '--help'):
        raise SystemExit(__doc__)
    script = argv[0]
    if not os.path.isfile(script):
        raise SystemExit(f'error: no such program: {script}')
    sys.argv[:] = argv
    sys.path[0] = os.path.dirname(os.path.abspath(script))
    runpy.run_path(script, run_name='__main__')


if __name__ == '__main__':
    main(sys.argv[1:])
