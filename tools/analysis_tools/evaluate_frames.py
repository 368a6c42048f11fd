#!/usr/bin/env python
"""Score restored frames that any program wrote: the same as ``cdvd-mm evaluate``."""

import sys

from cdvd_mm.cli import tool

main = tool('evaluate')

if __name__ == '__main__':
    sys.exit(main())
