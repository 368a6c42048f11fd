#!/usr/bin/env python
"""Make pairs of blurred and sharp frames (GOPRO's folders) from sharp footage by averaging.

Example: synthesise.py hero7.mp4 --out data/own --frames 5 7 --split train
"""

import argparse
import sys


def parse_size(text: str) -> tuple[int, int]:
    """'1280x720' to (1280, 720)."""
    width, _, height = text.lower().partition('x')
    return int(width), int(height)


def parse_range(text: str) -> tuple[int, int | None]:
    """'0:301', '10:' or ':50' to (start, stop)."""
    start, colon, stop = text.partition(':')
    if not colon:
        raise ValueError(text)
    return int(start or 0), int(stop) if stop else None


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('videos', nargs='+', metavar='VIDEO',
                        help='video files, or folders of sharp frames')
    parser.add_argument('--out', required=True, help='root of the dataset to write')
    parser.add_argument('--frames', type=int, nargs='+', default=[7], metavar='N',
                        help='how many frames to average, odd (several: one folder each)')
    parser.add_argument('--response', choices=['gamma2.2', 'linear'], default='gamma2.2',
                        help='average light after undoing a gamma of 2.2, or the stored values')
    parser.add_argument('--size', type=parse_size, metavar='WxH', help='resize to this')
    parser.add_argument('--split', choices=['train', 'test'], default='train')
    parser.add_argument('--range', type=parse_range, default=(0, None), metavar='A:B',
                        help='use frames A to B - 1 alone')
    parser.add_argument('--interpolate', type=int, default=0, metavar='K',
                        help='put K frames between neighbours by optical flow before averaging')
    parser.add_argument('--flow', metavar='NAME|CONFIG', help='network for --interpolate: pwcnet, '
                        'raft-small, or a config with flow_estimator = dict(type=...)')
    parser.add_argument('--flow-checkpoint', metavar='FILE', help='its weights')
    parser.add_argument('--device', default='auto', help='device of the flow network')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Synthesise; return the exit code."""
    args = parse_args(argv)
    from cdvd_mm.data_tools.synthesise import synthesise
    try:
        reports = synthesise(
            args.videos, args.out, args.frames, args.response, args.size, args.split,
            *args.range, interpolate=args.interpolate, flow=args.flow,
            flow_checkpoint=args.flow_checkpoint, device=args.device)
    except (ValueError, OSError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('error: interrupted; run the same command again, it goes on', file=sys.stderr)
        return 1
    for report in reports:
        print(f'{report["split"]}/{report["name"]}: {report["pairs"]} pairs, blurred frames '
              f'{report["blur_psnr"]:.2f} dB')
        for damage in report['damage']:
            print(f'  not read: {damage}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
