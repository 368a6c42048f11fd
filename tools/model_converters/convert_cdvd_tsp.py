#!/usr/bin/env python
"""Convert the authors' CDVD-TSP checkpoint for configs/cdvd_gopro.py."""

import argparse
import sys


def main() -> int:
    """Parse the arguments and convert."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('source', help="the authors' CDVD_TSP_*.pt")
    parser.add_argument('target', help='checkpoint to write')
    args = parser.parse_args()
    from cdvd_mm.converters.cdvd_tsp import convert_cdvd_tsp
    try:
        state = convert_cdvd_tsp(args.source, args.target)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f'{args.target}: {len(state)} parameters')
    return 0


if __name__ == '__main__':
    sys.exit(main())
