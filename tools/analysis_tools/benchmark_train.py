#!/usr/bin/env python
"""Measure training steps: speed, memory, where the time goes, against the plain form."""

import argparse
import json
import sys

from mmengine.config import DictAction


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', nargs='?', default='configs/cdvd_gopro.py')
    parser.add_argument('--cases', nargs='+', metavar='NAME',
                        help='plain, batched, fused, channels_last, bf16, fp16, fast (bf16, '
                        'channels_last, fused), compile (fast, compiled), checkpointing')
    parser.add_argument('--size', type=int, default=256, help='height and width of the patch')
    parser.add_argument('--batch-size', type=int, default=1, help='windows of a step')
    parser.add_argument('--rounds', type=int, default=5, help='timed steps of each case')
    parser.add_argument('--device', default='auto', help='auto, cpu, cuda or cuda:N')
    parser.add_argument('--data', metavar='ROOT', help='dataset to train from: measures how long '
                        "a step waits for the config's data loader")
    parser.add_argument('--json', metavar='FILE', help='write the figures there as well')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
                        help='override settings of the config')
    parser.add_argument('--launcher', choices=['none', 'pytorch'], default='none',
                        help='pytorch: started by torchrun; the exchange of gradients is measured')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Measure; return the exit code."""
    args = parse_args(argv)
    from cdvd_mm.bench.training import benchmark_train, to_text
    from cdvd_mm.engine.config import load_config
    from cdvd_mm.engine.launch import init_processes, is_main_process
    try:
        init_processes(args.launcher)
        report = benchmark_train(load_config(args.config, args.cfg_options), args.cases,
                                 args.size, args.batch_size, args.rounds, args.device,
                                 args.data)
    except (ValueError, OSError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    if is_main_process():
        print(to_text(report), end='')
        if args.json:
            with open(args.json, 'w', encoding='utf-8') as file:
                json.dump(report, file, indent=1)
    return 0


if __name__ == '__main__':
    sys.exit(main())
