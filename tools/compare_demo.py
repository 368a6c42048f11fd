#!/usr/bin/env python
"""Train the small forms of all methods for the same time and compare them.

Makes the demo data if they are not there, trains each of the _demo configs, and runs what
tools/compare.py runs on the results.
"""

import argparse
import sys


def main() -> int:
    """Parse the arguments, train and compare."""
    from cdvd_mm.reports.compare.demo import CONFIGS, compare_demo
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('configs', nargs='*', default=list(CONFIGS), metavar='CONFIG',
                        help='default: the _demo configs of all methods')
    parser.add_argument('--data', default='data/demo', metavar='ROOT',
                        help='data in the layout of GOPRO (default: data/demo, made if needed)')
    parser.add_argument('--seconds', type=float, default=100,
                        help='training time of each method (default: 100)')
    parser.add_argument('--out', default='work_dirs/compare_demo', metavar='DIR')
    parser.add_argument('--device', default='auto', help='of the comparison')
    args = parser.parse_args()
    try:
        comparison = compare_demo(args.configs, args.data, args.out, args.seconds, args.device)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    failed = [f'{o.label} failed: {o.error}' for o in comparison.outcomes if o.error]
    print('\n'.join(failed), file=sys.stderr, end='\n' if failed else '')
    print(f'{args.out}/report.html')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
