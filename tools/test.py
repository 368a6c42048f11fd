#!/usr/bin/env python
"""Test a model: restore the test frames and score them."""

import argparse
import os
import sys

from mmengine.config import DictAction


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='path of the config')
    parser.add_argument('checkpoint', help='path of the checkpoint')
    parser.add_argument('--work-dir', help='where logs and results go '
                        '(default: work_dirs/<config name>)')
    parser.add_argument('--amp', action='store_true', help='restore in mixed precision')
    parser.add_argument('--protocol', help='cdvd-tsp, all-frames or dvd-30 (default: as the '
                        'config says)')
    parser.add_argument('--save-frames', metavar='DIR', help='write the restored frames there, '
                        '<video>/<frame>.png')
    parser.add_argument('--resume', action='store_true', help='go on with an interrupted test: '
                        'leave out the frames scored already')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
                        help='override settings of the config, such as '
                        'test_dataloader.dataset.data_root=DIR')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none',
                        help='what started the processes')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0,
                        help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


def main(argv: list[str] | None = None) -> int:
    """Test; return the exit code."""
    args = parse_args(argv)
    from cdvd_mm.engine import launch as runner
    try:
        cfg = runner.load_config(args.config, args.cfg_options, args.work_dir)
        metrics = runner.test(cfg, args.checkpoint, args.launcher, args.amp, args.protocol,
                              args.save_frames, args.resume)
    except (ValueError, OSError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    if runner.is_main_process():
        for name, value in metrics.items():
            print(f'{name}: {value}')
        if not metrics:
            print('no metric is claimed: there is no ground truth')
    return 0


if __name__ == '__main__':
    sys.exit(main())
