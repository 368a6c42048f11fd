#!/usr/bin/env python
"""Check a download of DVD or GOPRO (or own pairs), and write the store that trains fastest.

Example: prepare.py GOPRO data/GOPRO --deep --store data/GOPRO_store
"""

import argparse
import sys


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('dataset', choices=['DVD', 'GOPRO'],
                        help='GOPRO also for own pairs with its folders')
    parser.add_argument('root', help='folder of the dataset')
    parser.add_argument('--deep', action='store_true', help='decode every frame')
    parser.add_argument('--json', metavar='REPORT', help='write the report as JSON as well')
    parser.add_argument('--store', metavar='DIR', help='write the frame store for training, or go '
                        'on with one; the dataset configs take DIR as data_root')
    parser.add_argument('--codec', choices=['raw', 'png'], default='raw',
                        help='store: 3 bytes a pixel and fastest, or about as large as the dataset')
    parser.add_argument('--workers', type=int, help='threads (default: one a core)')
    return parser.parse_args(argv)


def print_report(report) -> None:
    """One table of what was found, one of what is wrong."""
    from rich.console import Console
    from rich.table import Table
    console = Console(soft_wrap=False)
    table = Table(title=f'{report.dataset} in {report.root}')
    for column in ('split', 'layout', 'videos', 'frames', 'published', 'sizes', 'ground truth'):
        table.add_column(column)
    for name, split in report.splits.items():
        sizes = ', '.join(f'{size} ({count})' for size, count in split.sizes.items())
        with_gt = sum(video.sharp is not None for video in split.videos)
        published = f'{split.expected[0]} / {split.expected[1]}' if split.expected else '-'
        table.add_row(name, split.layout or '-', str(len(split.videos)), str(split.num_frames),
                      published, sizes or '-', f'{with_gt} of {len(split.videos)}')
    console.print(table)
    if report.problems:
        table = Table(title=f'{len(report.problems)} problem(s)', show_lines=True)
        for column in ('where', 'what is wrong', 'what to do'):
            table.add_column(column, overflow='fold')
        for problem in report.problems:
            table.add_row(problem.path, problem.what, problem.remedy)
        console.print(table)
    else:
        checked = 'every frame decoded' if report.deep else 'frames not decoded, see --deep'
        console.print(f'nothing is wrong ({checked})')
    for note in report.notes:
        console.print(f'note: {note}', markup=False, highlight=False)


def main(argv: list[str] | None = None) -> int:
    """Check and convert; return the exit code."""
    args = parse_args(argv)
    from cdvd_mm.data_tools.prepare import prepare
    try:
        report = prepare(args.dataset, args.root, args.deep, args.json, args.store, args.codec,
                         args.workers)
    except (ValueError, OSError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('error: interrupted; run the same command again, it goes on', file=sys.stderr)
        return 1
    print_report(report)
    if report.problems:
        store = ', the store was not written' if args.store else ''
        print(f'error: {len(report.problems)} problem(s) with {args.root}{store}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
