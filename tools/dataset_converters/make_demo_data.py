#!/usr/bin/env python
"""Make the demo data: the same as ``cdvd-mm demo-data``."""

import sys

from cdvd_mm.cli import tool

main = tool('demo-data')

if __name__ == '__main__':
    sys.exit(main())
