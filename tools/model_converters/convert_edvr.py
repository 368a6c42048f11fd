#!/usr/bin/env python
"""Convert a released EDVR deblurring checkpoint (BasicSR's key names) for configs/edvr/."""

import argparse
import sys


def main() -> int:
    """Parse the arguments and convert."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('source', help='a released deblurring checkpoint')
    parser.add_argument('target', help='checkpoint to write')
    args = parser.parse_args()
    from cdvd_mm.converters.edvr import convert_edvr
    try:
        state = convert_edvr(args.source, args.target)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f'{args.target}: {len(state)} parameters')
    return 0


if __name__ == '__main__':
    sys.exit(main())
