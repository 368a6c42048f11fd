"""What can be asked of the benchmarks."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

from cdvd_mm.inference.options import PRECISIONS
from cdvd_mm.options import option, positional

FORMS = ('plain', 'streaming')
_CFG_OPTIONS = 'override settings of the config'
_DEVICE = 'auto, cpu, cuda or cuda:N'


def parse_size(text: str) -> tuple[int, int]:
    """Width and height of '848x480'.

    Raises:
        ValueError: Something else.
    """
    parts = text.lower().split('x')
    if len(parts) != 2 or not all(part.isdigit() and int(part) for part in parts):
        raise ValueError(f'{text!r} is no size: expected WIDTHxHEIGHT, 848x480 for one')
    return int(parts[0]), int(parts[1])


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchmarkOptions:
    """Time a cascade: window by window against streaming, by precision, size and backend."""

    config: str = positional('path of a config with a cascade, such as CDVDNet',
                             default='cdvd_mm::cdvd_gopro.py')
    checkpoint: str | None = option(None, 'its weights (speed does not depend on them)')
    device: str = option('auto', _DEVICE)
    sizes: tuple[tuple[int, int], ...] | None = option(
        None, 'of the frames', metavar='WIDTHxHEIGHT', convert=parse_size,
        shown_default='256x256; of the report of a GPU 1280x720 1920x1080')
    precisions: tuple[str, ...] = option(('fp32', ), 'of streaming; the plain form runs in fp32',
                                         choices=PRECISIONS)
    forms: tuple[str, ...] = option(FORMS, 'plain: every triple and pair on its own',
                                    choices=FORMS)
    backends: tuple[str, ...] = option(('auto', ), 'of correlation, warping and prior',
                                       choices=('auto', 'torch'))
    compile: bool = option(False, 'time torch.compile besides')
    graphs: bool = option(False, 'time CUDA graphs besides')
    rounds: int = option(5, 'how often each case is timed')
    warmup: int = option(1, 'calls of each case before that')
    seconds: float | None = option(None, 'begin no further round after this time')
    threads: int | None = option(None, 'threads of the CPU')
    json: str | None = option(None, 'write the figures as JSON', metavar='FILE')
    markdown: str | None = option(None, 'write the table as Markdown', metavar='FILE')
    cfg_options: dict[str, Any] | None = option(None, _CFG_OPTIONS)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DeviceReportOptions:
    """A report of all that a device does: tests, kernels, precisions, speed, training.

    Of the options above it takes the config, its checkpoint and settings, device and sizes.
    """

    gpu_report: bool = option(False, 'write a report; the same as tools/analysis_tools/'
                              'gpu_report.py')
    minutes: float = option(9., 'time for all of it; a part that takes longer is cut off')
    out: str = option('work_dirs/gpu_report', 'folder for report.md and report.json',
                      metavar='DIR')
    parts: tuple[str, ...] | None = option(None, 'some of its parts alone', metavar='PART',
                                           shown_default='all')
    video: str | None = option(None, 'a real clip to restore', metavar='FILE',
                               shown_default='a photograph that moves')
    patch: int | None = option(None, 'side of the patches of training',
                               shown_default='256; on a CPU 64')
    tests: str | None = option(None, "tests to run, as pytest's -k", metavar='EXPRESSION',
                               shown_default='those of the device')
    device_name: str | None = option(None, 'what the tables call the device', metavar='NAME',
                                     shown_default='its own name')
    write_docs: str | None = option(None, 'put the tables into the pages of this folder',
                                    metavar='DIR', bare='docs/en', shown_default='docs/en, if '
                                    'given')

    def __post_init__(self) -> None:
        if not self.minutes > 0:
            raise ValueError(f'minutes must be positive, found {self.minutes:g}')


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainBenchmarkOptions:
    """Measure training steps: speed, memory, where the time goes, against the plain form."""

    config: str = positional('path of a training config of a cascade',
                             default='cdvd_mm::cdvd_gopro.py')
    cases: tuple[str, ...] | None = option(
        None, 'plain, batched, fused, channels_last, bf16, fp16, fast (bf16, channels_last, '
        'fused), compile (fast, compiled), checkpointing', metavar='NAME',
        shown_default='those that make sense on the device')
    size: int = option(256, 'height and width of the patch')
    batch_size: int = option(1, 'windows of a step')
    rounds: int = option(5, 'timed steps of each case; two more warm up')
    seconds: float | None = option(None, 'begin no further round after this time')
    device: str = option('auto', _DEVICE)
    data: str | None = option(None, 'dataset to train from: measures how long a step waits for '
                              "the config's data loader", metavar='ROOT')
    json: str | None = option(None, 'write the figures there as well', metavar='FILE')
    launcher: str = option('none', 'pytorch: started by torchrun; the exchange of gradients is '
                           'measured', choices=('none', 'pytorch'))
    cfg_options: dict[str, Any] | None = option(None, _CFG_OPTIONS)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LoaderBenchmarkOptions:
    """Measure how fast training samples come: read, decode, crop, augment, pack."""

    config: str = positional('path of the config')
    data_root: tuple[str, ...] | None = option(
        None, 'folders of the same data in several forms, compared in one run',
        shown_default="the config's")
    samples: int = option(50, 'samples to measure')
    workers: int = option(os.cpu_count() or 1, 'processes of the loader',
                          shown_default='one a core')
    json: str | None = option(None, 'write the numbers as JSON as well', metavar='FILE')
    cfg_options: dict[str, Any] | None = option(None, _CFG_OPTIONS)
