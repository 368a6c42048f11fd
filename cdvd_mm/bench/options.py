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

    config: str = positional('path of a config with a cascade, such as CDVDNet')
    checkpoint: str | None = option(None, 'its weights (speed does not depend on them)')
    device: str = option('auto', _DEVICE)
    sizes: tuple[tuple[int, int], ...] = option(
        ((256, 256), ), 'of the frames', metavar='WIDTHxHEIGHT', convert=parse_size,
        shown_default='256x256')
    precisions: tuple[str, ...] = option(('fp32', ), 'of streaming; the plain form runs in fp32',
                                         choices=PRECISIONS)
    forms: tuple[str, ...] = option(FORMS, 'plain: every triple and pair on its own',
                                    choices=FORMS)
    backends: tuple[str, ...] = option(('auto', ), 'of correlation, warping and prior',
                                       choices=('auto', 'torch'))
    compile: bool = option(False, 'time torch.compile besides')
    rounds: int = option(5, 'how often each case is timed')
    warmup: int = option(1, 'calls of each case before that')
    threads: int | None = option(None, 'threads of the CPU')
    json: str | None = option(None, 'write the figures as JSON', metavar='FILE')
    markdown: str | None = option(None, 'write the table as Markdown', metavar='FILE')
    cfg_options: dict[str, Any] | None = option(None, _CFG_OPTIONS)


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
