#!/usr/bin/env python
"""Restore the test frames of a config and draw comparison.png.

Blurred, restored and sharp frame side by side with the sharpness prior S; prints the mean PSNR of
the blurred and of the restored frames.
"""

import argparse
import sys

from mmengine.config import DictAction


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='path of the config')
    parser.add_argument('checkpoint', help='path of the checkpoint')
    parser.add_argument('out_dir', help='folder for comparison.png and restored/')
    parser.add_argument('--examples', type=int, default=3, help='rows (default: %(default)s)')
    parser.add_argument('--device', default='auto', help='auto, cpu, cuda or cuda:N')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
                        help='override settings of the config')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Compare; return the exit code."""
    args = parse_args(argv)
    from cdvd_mm.reports.plots.comparison import plot_comparison
    try:
        result = plot_comparison(args.config, args.checkpoint, args.out_dir, args.examples,
                                 args.device, args.cfg_options)
    except (ValueError, OSError, ModuleNotFoundError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    print(f'PSNR of the blurred frames:  {result.psnr_blurred:.2f} dB')
    print(f'PSNR of the restored frames: {result.psnr_restored:.2f} dB '
          f'({result.psnr_restored - result.psnr_blurred:+.2f} dB, {result.num_frames} frames)')
    print(f'restored frames: {result.frames}\npicture: {result.figure}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
