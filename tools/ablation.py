#!/usr/bin/env python
"""Train, test and tabulate the ablation on given data, on equal terms.

Example: ablation.py stages_1 stages_2 --data data/ablation --out work_dirs/ablation --seeds 0 1
Called again with the same --out it goes on where it was interrupted.
"""

import argparse
import sys
from pathlib import Path

from mmengine.config import DictAction

CONFIGS = Path(__file__).resolve().parents[1] / 'configs' / 'ablation'


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('configs', nargs='*', metavar='CONFIG', help='rows of the table: names in '
                        'configs/ablation, or paths (default: all of configs/ablation)')
    parser.add_argument('--data', metavar='ROOT',
                        help="dataset with a train and a test split (default: the configs')")
    parser.add_argument('--out', required=True, metavar='DIR',
                        help='folder of the table, logs and checkpoints')
    parser.add_argument('--seeds', type=int, nargs='+', default=[0], help='several give a spread')
    parser.add_argument('--repeat', nargs='+', metavar='ROW', help='train these rows alone with '
                        'all seeds, the others with the first (default: all rows)')
    parser.add_argument('--iters', type=int, help='train for so many steps; milestones and '
                        'learning rates are scaled along')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
                        help='override settings of every config')
    return parser.parse_args(argv)


def known_rows() -> list[str]:
    """Names of the rows in configs/ablation."""
    return sorted(path.stem for path in CONFIGS.glob('*.py'))


def find_config(name: str) -> str:
    """Path of a row."""
    if name.endswith('.py'):
        return name
    if name not in known_rows():
        raise ValueError(f'there is no row {name!r}; choose from {", ".join(known_rows())}, or '
                         'give the path of a config')
    return str(CONFIGS / f'{name}.py')


def main(argv: list[str] | None = None) -> int:
    """Run; return the exit code."""
    args = parse_args(argv)
    from cdvd_mm.engine.loop import TrainingStopped
    from cdvd_mm.reports.ablation import run_ablation, to_markdown
    try:
        configs = [find_config(name) for name in args.configs or known_rows()]
        table = run_ablation(configs, args.out, args.data, args.seeds, args.cfg_options,
                             args.iters, args.repeat)
    except (ValueError, OSError, TrainingStopped) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    print(to_markdown(table), end='')
    return 0


if __name__ == '__main__':
    sys.exit(main())
