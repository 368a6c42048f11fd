"""``cdvd-mm prepare``, ``synthesise`` and ``demo-data``: what they say when they are done."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from cdvd_mm.data_tools.options import (
    DemoDataOptions,
    DemoSettings,
    PrepareOptions,
    SynthesiseOptions,
)

if TYPE_CHECKING:
    from cdvd_mm.data_tools.prepare import Report


def prepare(options: PrepareOptions) -> int:
    """Check and convert; 1 where something is wrong with the dataset."""
    from cdvd_mm.data_tools import prepare as checks
    report = checks.prepare(options.dataset, options.root, options.deep, options.json,
                            options.store, options.codec, options.workers)
    _print_report(report)
    if report.problems:
        store = ', the store was not written' if options.store else ''
        sys.stderr.write(f'error: {len(report.problems)} problem(s) with {options.root}{store}\n')
        return 1
    return 0


def _print_report(report: Report) -> None:
    """One table of what was found, one of what is wrong."""
    console = Console(soft_wrap=False)
    table = Table(title=f'{report.dataset} in {report.root}')
    for column in ('split', 'layout', 'videos', 'frames', 'published', 'sizes', 'ground truth'):
        table.add_column(column)
    for name, split in report.splits.items():
        sizes = ', '.join(f'{size} ({count})' for size, count in split.sizes.items())
        with_gt = sum(video.sharp is not None for video in split.videos)
        published = ' / '.join('?' if n is None else str(n) for n in split.expected or ()) or '-'
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


def synthesise(options: SynthesiseOptions) -> None:
    """Synthesise; a line for every folder of pairs."""
    from cdvd_mm.data_tools import synthesise as pairs
    reports = pairs.synthesise(
        options.videos, options.out, options.frames, options.response, options.size, options.split,
        *options.range, interpolate=options.interpolate, flow=options.flow,
        flow_checkpoint=options.flow_checkpoint, device=options.device)
    for report in reports:
        sys.stdout.write(f'{report["split"]}/{report["name"]}: {report["pairs"]} pairs, blurred '
                         f'frames {report["blur_psnr"]:.2f} dB\n')
        for damage in report['damage']:
            sys.stdout.write(f'  not read: {damage}\n')


def demo_data(options: DemoDataOptions, settings: DemoSettings) -> None:
    """Make the data; print their folder."""
    from cdvd_mm.data_tools.demo import make_demo_data
    sys.stdout.write(f'{make_demo_data(options.folder, settings, options.force)}\n')
