#!/usr/bin/env python
"""Make pairs of blurred and sharp frames from sharp footage: the same as ``cdvd-mm synthesise``."""

import sys

from cdvd_mm.cli import tool

main = tool('synthesise')

if __name__ == '__main__':
    sys.exit(main())
