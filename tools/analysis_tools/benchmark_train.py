#!/usr/bin/env python
"""Measure training steps: the same as ``cdvd-mm benchmark-train``."""

import sys

from cdvd_mm.cli import tool

main = tool('benchmark-train')

if __name__ == '__main__':
    sys.exit(main())
