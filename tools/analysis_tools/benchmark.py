#!/usr/bin/env python
"""Time a cascade: window by window against streaming: the same as ``cdvd-mm benchmark``."""

import sys

from cdvd_mm.cli import tool

main = tool('benchmark')

if __name__ == '__main__':
    sys.exit(main())
