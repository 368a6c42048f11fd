#!/usr/bin/env python
"""Train a model: the same as ``cdvd-mm train``."""

import sys

from cdvd_mm.cli import tool

main = tool('train')

if __name__ == '__main__':
    sys.exit(main())
