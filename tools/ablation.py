#!/usr/bin/env python
"""Train, test and tabulate the ablation on equal terms: the same as ``cdvd-mm ablation``."""

import sys

from cdvd_mm.cli import tool

main = tool('ablation')

if __name__ == '__main__':
    sys.exit(main())
