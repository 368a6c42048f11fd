#!/usr/bin/env python
"""Test a model: the same as ``cdvd-mm test``."""

import sys

from cdvd_mm.cli import tool

main = tool('test')

if __name__ == '__main__':
    sys.exit(main())
