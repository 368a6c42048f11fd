"""``python -m cdvd_mm``: the command ``cdvd-mm``."""

import sys

from cdvd_mm.cli import main

if __name__ == '__main__':
    sys.exit(main())
