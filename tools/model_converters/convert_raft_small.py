#!/usr/bin/env python
"""Convert the authors' RAFT-small checkpoint for MMFlowEstimator."""

import argparse
import sys


def main() -> int:
    """Parse the arguments and convert."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('source', help="the authors' raft-small.pth")
    parser.add_argument('target', help='checkpoint to write')
    args = parser.parse_args()
    from cdvd_mm.converters.raft_small import convert_raft_small
    try:
        state = convert_raft_small(args.source, args.target)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f'{args.target}: {len(state)} parameters')
    return 0


if __name__ == '__main__':
    sys.exit(main())
