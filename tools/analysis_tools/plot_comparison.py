#!/usr/bin/env python
"""Draw restored frames beside blurred and sharp ones: the same as ``cdvd-mm plot-comparison``."""

import sys

from cdvd_mm.cli import tool

main = tool('plot-comparison')

if __name__ == '__main__':
    sys.exit(main())
