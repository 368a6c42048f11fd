#!/usr/bin/env python
"""Measure how fast training samples come: the same as ``cdvd-mm benchmark-loader``."""

import sys

from cdvd_mm.cli import tool

main = tool('benchmark-loader')

if __name__ == '__main__':
    sys.exit(main())
