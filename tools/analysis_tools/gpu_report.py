#!/usr/bin/env python
"""Report on a GPU (or the CPU): the same as ``cdvd-mm benchmark --gpu-report``."""

import sys

from cdvd_mm.cli import tool

main = tool('benchmark', '--gpu-report')

if __name__ == '__main__':
    sys.exit(main())
