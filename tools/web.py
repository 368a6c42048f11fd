#!/usr/bin/env python
"""Serve a page on which videos are restored: the same as ``cdvd-mm web``."""

import sys

from cdvd_mm.cli import tool

main = tool('web')

if __name__ == '__main__':
    sys.exit(main())
