#!/usr/bin/env python
"""Compare models on the same frames: report.md, report.html and report.json."""

import argparse
import sys


def main() -> int:
    """Parse the arguments and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('models', nargs='+', metavar='CONFIG[:CHECKPOINT]')
    parser.add_argument('--data', required=True, metavar='ROOT',
                        help='dataset with a test split, in any layout of '
                        'docs/en/dataset_prepare.md')
    parser.add_argument('--protocol', default='cdvd-tsp',
                        help='cdvd-tsp, all-frames, dvd-30, dstnet, bsd or reds4 '
                        '(default: cdvd-tsp)')
    parser.add_argument('--out', required=True, metavar='DIR', help='folder for the report')
    parser.add_argument('--device', default='auto', help='auto, cpu, cuda or cuda:N')
    parser.add_argument('--resume', action='store_true',
                        help='go on with what an interrupted run left in DIR')
    parser.add_argument('--lpips', action='store_true', help='compute LPIPS as well')
    parser.add_argument('--repeats', type=int, default=5, help='timed runs of each model')
    parser.add_argument('--launcher', default='none', choices=['none', 'pytorch', 'slurm', 'mpi'])
    args = parser.parse_args()
    from cdvd_mm.engine.launch import is_main_process
    from cdvd_mm.reports.compare.report import compare
    try:
        comparison = compare(
            args.models, args.data, args.protocol, args.out, device=args.device,
            resume=args.resume, launcher=args.launcher, repeats=args.repeats,
            metrics=('PSNR', 'SSIM', 'LPIPS') if args.lpips else ('PSNR', 'SSIM'))
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    if not is_main_process():
        return 0
    failed = [f'{o.label} failed: {o.error}' for o in comparison.outcomes if o.error]
    print('\n'.join(failed), file=sys.stderr, end='\n' if failed else '')
    print(f'{args.out}/report.html')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
