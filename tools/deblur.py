#!/usr/bin/env python
"""Restore a blurred video, or a folder of frames: the same as ``cdvd-mm deblur``."""

import sys

from cdvd_mm.cli import tool

main = tool('deblur')

if __name__ == '__main__':
    sys.exit(main())
