#!/usr/bin/env python
"""Time the cascade: window by window against streaming, by precision, size and backend.

Example: benchmark.py configs/cdvd_gopro.py --sizes 256x256 848x480 --rounds 5
"""

import argparse
import sys

from mmengine.config import DictAction


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    from cdvd_mm.bench.inference import FORMS, parse_size
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='path of a config with a CDVDNet')
    parser.add_argument('--checkpoint', help='its weights (speed does not depend on them)')
    parser.add_argument('--device', default='auto', help='auto, cpu, cuda or cuda:N')
    parser.add_argument('--sizes', nargs='+', type=parse_size, default=[(256, 256)],
                        metavar='WIDTHxHEIGHT')
    parser.add_argument('--precisions', nargs='+', default=['fp32'],
                        choices=['fp32', 'tf32', 'fp16', 'bf16'])
    parser.add_argument('--forms', nargs='+', default=list(FORMS), choices=FORMS)
    parser.add_argument('--backends', nargs='+', default=['auto'], choices=['auto', 'torch'],
                        help='of correlation, warping and prior')
    parser.add_argument('--compile', action='store_true', help='time torch.compile besides')
    parser.add_argument('--rounds', type=int, default=5, help='how often each case is timed')
    parser.add_argument('--warmup', type=int, default=1, help='calls of each case before that')
    parser.add_argument('--threads', type=int, help='threads of the CPU')
    parser.add_argument('--json', metavar='FILE', help='write the figures as JSON')
    parser.add_argument('--markdown', metavar='FILE', help='write the table as Markdown')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
                        help='override settings of the config')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Time, print the table; return the exit code."""
    args = vars(parse_args(argv))
    from cdvd_mm.bench import inference as api
    json_path, markdown_path = args.pop('json'), args.pop('markdown')
    try:
        report = api.benchmark(**args, say=lambda line: print(line, file=sys.stderr))
        api.write_report(report, json_path, markdown_path)
    except (ValueError, OSError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    print(api.to_markdown(report), end='')
    return 0


if __name__ == '__main__':
    sys.exit(main())
