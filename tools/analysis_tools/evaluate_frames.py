#!/usr/bin/env python
"""Score restored frames that any program wrote, by a published protocol.

Example: evaluate_frames.py results/edvr data/GOPRO --protocol cdvd-tsp
"""

import argparse
import sys


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('pred', help='restored frames, <video>/<frame>.png')
    parser.add_argument('gt', help='sharp frames, <video>/<frame>.png with the same names; or a '
                        'dataset or frame store, of which the test split is taken')
    parser.add_argument('--protocol', default='cdvd-tsp',
                        help='cdvd-tsp, all-frames, dvd-30, dstnet, bsd or reds4 '
                        '(default: cdvd-tsp)')
    parser.add_argument('--metrics', nargs='+', default=['PSNR', 'SSIM'],
                        help='of PSNR, SSIM, LPIPS')
    parser.add_argument('--out', metavar='DIR', help='write results.json, frames.csv, videos.csv')
    parser.add_argument('--workers', type=int, help='threads (default: one a core)')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Score; return the exit code."""
    args = parse_args(argv)
    from cdvd_mm.evaluation.evaluate_frames import evaluate_frames
    try:
        summary = evaluate_frames(args.pred, args.gt, args.protocol, tuple(args.metrics), args.out,
                                  args.workers)
    except (ValueError, OSError, RuntimeError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    for name, video in summary['videos'].items():
        print(f'{name}: ' + ', '.join(f'{k} {v:.4f}' for k, v in video.items() if k.isupper())
              + f' ({video["num_frames"]} frames)')
    print(f'protocol {args.protocol}, mean over {summary["num_frames"]} frames: '
          + ', '.join(f'{k} {v:.4f}' for k, v in summary['overall'].items()))
    return 0


if __name__ == '__main__':
    sys.exit(main())
