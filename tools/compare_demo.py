#!/usr/bin/env python
"""Train all methods in small, and compare them: the same as ``cdvd-mm compare-demo``."""

import sys

from cdvd_mm.cli import tool

main = tool('compare-demo')

if __name__ == '__main__':
    sys.exit(main())
