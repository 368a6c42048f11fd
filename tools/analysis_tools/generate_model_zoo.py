#!/usr/bin/env python
"""Generate model-index.yml and docs/en/model_zoo.md from configs/*/metafile.yml."""

import argparse
import os
import sys


def main() -> int:
    """Parse the arguments and generate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--check', action='store_true', help='write nothing, fail if out of date')
    args = parser.parse_args()
    from cdvd_mm.reports.model_zoo import generate
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    try:
        changed = generate(root, check=args.check)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print('\n'.join(changed) or 'up to date')
    return 1 if changed and args.check else 0


if __name__ == '__main__':
    sys.exit(main())
