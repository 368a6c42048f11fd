"""``cdvd-mm benchmark``, ``benchmark-train`` and ``benchmark-loader``: what they show."""

from __future__ import annotations

import json
import sys

import cv2
from rich.console import Console
from rich.table import Table

from cdvd_mm.engine.config import load_config
from cdvd_mm.engine.launch import init_processes, is_main_process
from cdvd_mm.files import write_atomically

from . import inference, loader, training
from .device_report.run import make_report
from .options import (
    BenchmarkOptions,
    DeviceReportOptions,
    LoaderBenchmarkOptions,
    TrainBenchmarkOptions,
)


def benchmark(options: BenchmarkOptions, device: DeviceReportOptions) -> int:
    """Time restoration, and print the table; or report on a device, 1 where something is wrong."""
    if device.gpu_report:
        outcomes = make_report(options, device, _say)
        sys.stdout.write(f'{device.out}/report.md\n')
        return int(any(outcome.wrong for outcome in outcomes))
    report = inference.benchmark(options, _say)
    table = inference.to_markdown(report)
    if options.json:
        _write_json(options.json, report)
    if options.markdown:
        write_atomically(options.markdown, table)
    sys.stdout.write(table)
    return 0


def benchmark_train(options: TrainBenchmarkOptions) -> None:
    """Measure training steps, and print the table."""
    init_processes(options.launcher)
    report = training.benchmark_train(load_config(options.config, options.cfg_options), options)
    if is_main_process():
        sys.stdout.write(training.to_text(report))
        if options.json:
            _write_json(options.json, report)


def benchmark_loader(options: LoaderBenchmarkOptions) -> int:
    """Measure the loader; 1 where forms of the same data give different tensors."""
    cv2.setNumThreads(0)  # as in training
    cfg = load_config(options.config, options.cfg_options)
    reports, same = loader.benchmark_loader(cfg.train_dataloader.dataset, options.data_root,
                                            options.samples, options.workers)
    if options.json:
        _write_json(options.json, dict(identical=same, reports=[r.as_dict() for r in reports]))
    _print_loader_reports(reports)
    if same is not None:
        sys.stdout.write(f'identical tensors for one seed: {"yes" if same else "NO"}\n')
    return 0 if same is not False else 1


def _print_loader_reports(reports: list[loader.LoaderReport]) -> None:
    """One column for every form of the data."""
    first = reports[0]
    table = Table(title=f'samples/s over {first.num_samples} samples')
    table.add_column('')
    for report in reports:
        table.add_column(f'{report.form}\n{report.data_root}', justify='right', overflow='fold')
    for stage in first.stages:
        table.add_row(f'{stage} (one process)', *(
            f'{1 / r.stages[stage]:.1f} ({1000 * r.stages[stage]:.1f} ms)'
            if r.stages[stage] else '-' for r in reports))
    table.add_section()
    rows = [('all stages (one process)', [r.sequential for r in reports]),
            ('ceiling: decoding alone', [r.ceiling for r in reports]),
            (f'loader, {first.workers} worker(s)', [r.loader for r in reports])]
    if len(reports) > 1:
        rows += [('times the first, one process', [r.sequential / first.sequential
                                                   for r in reports]),
                 ('times the first, loader', [r.loader / first.loader for r in reports])]
    for name, values in rows:
        table.add_row(name, *(f'{value:.2f}' for value in values))
    Console().print(table)


def _say(line: str) -> None:
    sys.stderr.write(f'{line}\n')


def _write_json(path: str, report: dict) -> None:
    write_atomically(path, json.dumps(report, indent=1) + '\n')
