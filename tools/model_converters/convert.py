#!/usr/bin/env python
"""Convert a published checkpoint: the same as ``cdvd-mm convert``."""

import sys

from cdvd_mm.cli import tool

main = tool('convert')

if __name__ == '__main__':
    sys.exit(main())
