#!/usr/bin/env python
"""Measure how fast a config's training samples come: read, decode, crop, augment, pack.

Example: benchmark_loader.py configs/cdvd_gopro.py --data-root data/GOPRO data/GOPRO_store
"""

import argparse
import json
import os
import sys

from mmengine.config import DictAction


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='path of the config')
    parser.add_argument('--data-root', nargs='+', help="folders of the same data in several forms, "
                        "compared in one run (default: the config's)")
    parser.add_argument('--samples', type=int, default=50, help='samples to measure')
    parser.add_argument('--workers', type=int, default=os.cpu_count(),
                        help='processes of the loader (default: one a core)')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
                        help='override settings of the config')
    parser.add_argument('--json', metavar='FILE', help='write the numbers as JSON as well')
    return parser.parse_args(argv)


def print_reports(reports, same) -> None:
    """One column for every form of the data."""
    from rich.console import Console
    from rich.table import Table
    table = Table(title=f'samples/s over {reports[0].num_samples} samples')
    table.add_column('')
    for report in reports:
        table.add_column(f'{report.form}\n{report.data_root}', justify='right', overflow='fold')
    for stage in reports[0].stages:
        table.add_row(f'{stage} (one process)', *(
            f'{1 / r.stages[stage]:.1f} ({1000 * r.stages[stage]:.1f} ms)'
            if r.stages[stage] else '-' for r in reports))
    table.add_section()
    table.add_row('all stages (one process)', *(f'{r.sequential:.2f}' for r in reports))
    table.add_row('ceiling: decoding alone', *(f'{r.ceiling:.2f}' for r in reports))
    table.add_row(f'loader, {reports[0].workers} worker(s)', *(f'{r.loader:.2f}' for r in reports))
    if len(reports) > 1:
        table.add_row('times the first, one process',
                      *(f'{r.sequential / reports[0].sequential:.2f}' for r in reports))
        table.add_row('times the first, loader',
                      *(f'{r.loader / reports[0].loader:.2f}' for r in reports))
    Console().print(table)
    if same is not None:
        print('identical tensors for one seed: ' + ('yes' if same else 'NO'))


def main(argv: list[str] | None = None) -> int:
    """Measure; return the exit code."""
    args = parse_args(argv)
    import cv2

    from cdvd_mm.bench.loader import benchmark_loader
    from cdvd_mm.engine.config import load_config
    cv2.setNumThreads(0)  # as in training
    try:
        cfg = load_config(args.config, args.cfg_options)
        reports, same = benchmark_loader(cfg.train_dataloader.dataset, args.data_root,
                                         args.samples, args.workers)
        if args.json:
            with open(args.json, 'w', encoding='utf-8') as file:
                json.dump(dict(identical=same, reports=[r.as_dict() for r in reports]), file,
                          indent=1)
    except (ValueError, OSError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    print_reports(reports, same)
    return 0 if same is not False else 1


if __name__ == '__main__':
    sys.exit(main())
