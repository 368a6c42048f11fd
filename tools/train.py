#!/usr/bin/env python
"""Train a model."""

import argparse
import os
import sys

from mmengine.config import DictAction


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='path of the config')
    parser.add_argument('--work-dir', help='where logs and checkpoints go '
                        '(default: work_dirs/<config name>)')
    parser.add_argument('--resume', nargs='?', const='auto', metavar='auto|PATH',
                        help='go on from the latest checkpoint of the work folder (auto) '
                        'or from PATH')
    parser.add_argument('--amp', nargs='?', const='auto', choices=['auto', 'bfloat16', 'float16'],
                        help='train in mixed precision (auto: bfloat16 where the GPU has it)')
    parser.add_argument('--auto-scale-lr', action='store_true',
                        help='no accumulation: scale the learning rate with the total batch size')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
                        help='override settings of the config, such as '
                        'train_dataloader.dataset.data_root=DIR')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none',
                        help='what started the processes')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0,
                        help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


def main(argv: list[str] | None = None) -> int:
    """Train; return the exit code."""
    args = parse_args(argv)
    from cdvd_mm.engine import launch as runner
    from cdvd_mm.engine.errors import TrainingStopped
    try:
        cfg = runner.load_config(args.config, args.cfg_options, args.work_dir)
        runner.train(cfg, args.launcher, args.amp, args.resume, args.auto_scale_lr)
    except (ValueError, OSError, TrainingStopped) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
