#!/usr/bin/env python
"""Draw PSNR over time of every video, and the worst frames side by side.

Example: plot_results.py work_dirs/cdvd_gopro/results_cdvd-tsp --out work_dirs/plots
"""

import argparse
import sys


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('reports', nargs='+',
                        help='results.json of tools/test.py or evaluate_frames.py, or its folder')
    parser.add_argument('--out', required=True, metavar='DIR', help='where the pictures go')
    parser.add_argument('--metric', choices=['PSNR', 'SSIM', 'LPIPS'], default='PSNR')
    parser.add_argument('--worst', type=int, default=4, metavar='N',
                        help='worst frames to show (0: none)')
    parser.add_argument('--labels', nargs='+', help='names of the reports')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Draw; return the exit code."""
    args = parse_args(argv)
    from cdvd_mm.reports.plots.results import plot_results
    try:
        written = plot_results(args.reports, args.out, args.metric, args.worst, args.labels)
    except (ValueError, OSError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    print('\n'.join(written))
    return 0


if __name__ == '__main__':
    sys.exit(main())
