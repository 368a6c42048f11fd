#!/usr/bin/env python
"""Compare models on the same frames: the same as ``cdvd-mm compare``."""

import sys

from cdvd_mm.cli import tool

main = tool('compare')

if __name__ == '__main__':
    sys.exit(main())
