#!/usr/bin/env python
"""Check a dataset, and write the store that trains fastest: the same as ``cdvd-mm prepare``."""

import sys

from cdvd_mm.cli import tool

main = tool('prepare')

if __name__ == '__main__':
    sys.exit(main())
