#!/usr/bin/env python
"""Convert a public PWC-Net checkpoint for MMFlowEstimator.

Takes CDVD-TSP's and network-default.pytorch's keys (moduleExtractor..., with
or without a prefix), the authors' (conv1a.0...) and MMFlow's own (encoder...,
decoder...). The result takes RGB and averages the correlation.
"""

import argparse
import sys


def main() -> int:
    """Parse the arguments and convert."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('source', help='the public checkpoint')
    parser.add_argument('target', help='checkpoint to write')
    parser.add_argument('--channel-order', choices=['rgb', 'bgr'],
                        help="what the network was trained on (default: bgr for the authors' "
                        "file and for one of MMFlow's training, rgb otherwise)")
    parser.add_argument('--correlation', choices=['mean', 'sum'],
                        help="over the channels (default: sum, MMFlow's scaled=False, for a "
                        "file of MMFlow's training, mean otherwise)")
    args = parser.parse_args()
    from cdvd_mm.converters.pwcnet import convert_pwcnet
    try:
        state = convert_pwcnet(args.source, args.target, channel_order=args.channel_order,
                               correlation=args.correlation)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f'{args.target}: {len(state)} parameters')
    return 0


if __name__ == '__main__':
    sys.exit(main())
