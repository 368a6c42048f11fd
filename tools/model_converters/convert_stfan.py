#!/usr/bin/env python
"""Convert the authors' STFAN checkpoint for configs/stfan/."""

import argparse
import sys


def main() -> int:
    """Parse the arguments and convert."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('source', help="the authors' checkpoint (best-ckpt.pth.tar)")
    parser.add_argument('target', help='checkpoint to write')
    args = parser.parse_args()
    from cdvd_mm.converters.stfan import convert_stfan
    try:
        state = convert_stfan(args.source, args.target)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f'{args.target}: {len(state)} parameters')
    return 0


if __name__ == '__main__':
    sys.exit(main())
