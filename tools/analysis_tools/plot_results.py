#!/usr/bin/env python
"""Draw PSNR over time, and the worst frames: the same as ``cdvd-mm plot-results``."""

import sys

from cdvd_mm.cli import tool

main = tool('plot-results')

if __name__ == '__main__':
    sys.exit(main())
