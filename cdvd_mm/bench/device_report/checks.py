"""Whether everything computes on a device what it should: tests, kernels, precisions."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cdvd_mm.inference.frame_restorer import FrameRestorer, to_array
from cdvd_mm.inference.model import init_model, select_device
from cdvd_mm.inference.precision import matmul_precision
from cdvd_mm.ops import backends, correlation, flow_warp, triple_input, warp_with_mask
from cdvd_mm.weights import default_model

from .material import moving_frames, read_video
from .settings import Settings, Table, markdown

_DTYPES = {'fp64': torch.float64, 'fp32': torch.float32, 'fp16': torch.float16,
           'bf16': torch.bfloat16}
# What plain torch itself is off by is allowed twice; these in any case.
_BOUNDS = {'fp64': 1e-9, 'fp32': 1e-4, 'fp16': 2e-3, 'bf16': 2e-2}
_Op = Callable[..., Tensor]


def run_tests(settings: Settings, folder: Path | None = None) -> Iterator[Table]:
    """Run the tests of the suite that use the device, parity with published outputs among them.

    Args:
        settings (Settings): ``tests`` says which.
        folder (Path, optional): Of the tests. Default: None, that of the checkout.
    """
    folder = folder or Path(__file__).parents[3] / 'tests'
    if not folder.is_dir():
        yield Table('Tests', [f'Not run: there is no {folder}; run this from a checkout.'],
                    wrong='the tests are not there')
        return
    first = [folder / name for name in ('test_ops', 'test_models') if (folder / name).is_dir()]
    if first:  # where time runs out these are there
        yield _run_tests(settings, folder, 'Tests of operators and networks', *map(str, first))
    yield _run_tests(settings, folder, 'Tests', str(folder), *(f'--ignore={p}' for p in first))


def _run_tests(settings: Settings, folder: Path, title: str, *arguments: str) -> Table:
    results = Path(settings.folder).resolve() / 'tests.xml'
    results.unlink(missing_ok=True)
    run = subprocess.run(
        [sys.executable, '-m', 'pytest', '-q', '-p', 'no:cacheprovider', '-k', settings.tests,
         f'--junitxml={results}', '-o', 'junit_family=xunit1', *arguments],
        cwd=folder.parent, capture_output=True, text=True)
    if not results.is_file():
        last = (run.stdout + run.stderr).strip().splitlines()[-1:]
        raise ChildProcessError(f'pytest wrote no results: {" ".join(last)}')
    return summarise_tests(results, title)


def summarise_tests(results: Path, title: str = 'Tests') -> Table:
    """One row for a file of tests, and the first line of what went wrong."""
    counts: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    wrong = []
    for case in ET.parse(results).getroot().iter('testcase'):
        row = counts[case.get('file') or case.get('classname') or '']
        row['seconds'] += float(case.get('time', 0))
        bad = [part for part in case if part.tag in ('failure', 'error')]
        row['failed' if bad else 'skipped' if case.find('skipped') is not None else 'passed'] += 1
        wrong += [f'{case.get("name")}: {(part.get("message") or "").splitlines()[0][:200]}'
                  for part in bad]
    columns = ['passed', 'failed', 'skipped']
    rows = [[name, *(int(row[key]) for key in columns), f'{row["seconds"]:.1f}']
            for name, row in sorted(counts.items())]
    total = [sum(int(row[key]) for row in counts.values()) for key in columns]
    lines = markdown(['file', *columns, 's'], [*rows, ['all', *total, '']])
    if wrong:
        lines += ['', *(f'* {line}' for line in wrong)]
    reason = f'{total[1]} tests failed' if total[1] else '' if total[0] else 'no test ran'
    return Table(title, lines, dict(zip(columns, total), wrong=wrong), wrong=reason)


def compare_kernels(settings: Settings) -> Iterator[Table]:
    """Hold the Triton kernels to double precision in plain torch, forward and backward."""
    device = select_device(settings.device)
    sizes = [(67, 121), (180, 320)] if settings.on_gpu else [(5, 7)]
    rows, wrong = [], []
    for name, (shapes, op) in _OPERATORS.items():
        for size in sizes:
            for precision, dtype in _DTYPES.items():
                inputs = [_input(shape, size, dtype, device) for shape in shapes]
                reason = backends.why_not_triton(*inputs)
                if reason:
                    raise RuntimeError(f'the Triton kernels cannot run: {reason}')
                exact = _both_ways(op, 'torch', [x.double() for x in inputs])
                triton, plain = ([_distance(a, b) for a, b in zip(_both_ways(op, backend, inputs),
                                                                  exact)]
                                 for backend in ('triton', 'torch'))
                right = all(found <= max(_BOUNDS[precision], 2 * usual)
                            for found, usual in zip(triton, plain))
                label = f'{name}, {size[1]}x{size[0]}, {precision}'
                rows.append([label, *(f'{x:.1e}' for pair in zip(triton, plain) for x in pair),
                             'yes' if right else 'NO'])
                wrong += [] if right else [label]
    lines = markdown(['op', 'Triton', 'torch', 'gradient: Triton', 'torch', 'as it should be'],
                     rows)
    yield Table('Triton kernels', [
        'Mean difference from double precision in plain torch; gradients by the largest one.', '',
        *lines], rows, 'kernels', f'off: {"; ".join(wrong)}' if wrong else '')


def _warp_and_blank(frames: Tensor, flow: Tensor, backend: str) -> Tensor:
    return warp_with_mask(frames, flow, backend=backend)[0]


_OPERATORS: dict[str, tuple[list[tuple[int, int]], _Op]] = {
    'correlation': ([(1, 16)] * 2, correlation),
    'warping, border': ([(2, 3), (2, 2)], partial(flow_warp, padding_mode='border')),
    'warping, zeros': ([(2, 5), (2, 2)], partial(flow_warp, padding_mode='zeros')),
    'warping with its mask': ([(2, 3), (2, 2)], _warp_and_blank),
    'input of the network': ([(1, 3)] * 3 + [(1, 2)] * 2, triple_input),
}
"""Leading shapes of the inputs, of two channels where they are flows, and the call."""


def _input(shape: tuple[int, int], size: tuple[int, int], dtype: torch.dtype,
           device: torch.device) -> Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    values = torch.rand(*shape, *size, generator=generator, dtype=torch.float64)
    if shape[1] == 2:  # a flow of up to three pixels, between the pixels, where nothing has a kink
        values = (6 * values - 3).floor() + .25 + values / 4
    return values.to(device, dtype)


def _both_ways(op: _Op, backend: str, inputs: list[Tensor]) -> list[list[Tensor]]:
    """What an op gives, and the gradients of a weighted sum of that."""
    inputs = [x.detach().clone().requires_grad_() for x in inputs]
    with matmul_precision('fp32'):
        out = op(*inputs, backend=backend)
        weights = torch.linspace(-1, 1, out.numel(), device=out.device).view_as(out).to(out.dtype)
        return [[out], list(torch.autograd.grad((out * weights).sum(), inputs))]


def _distance(found: list[Tensor], expected: list[Tensor]) -> float:
    """Mean difference, in units of the mean size of what is expected where that is above 1."""
    return max(float((a.double() - b).abs().mean() / b.abs().mean().clamp(min=1))
               for a, b in zip(found, expected))


def compare_precisions(settings: Settings) -> Iterator[Table]:
    """Restore real frames with the network of the package in all precisions."""
    number = 12 if settings.on_gpu else 6
    width, height = settings.sizes[0]
    sharp: list[np.ndarray] | None = None
    if settings.video is None:
        pairs = list(moving_frames(width, height, number))
        frames, sharp = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    else:
        frames = read_video(settings.video, number)
    config, checkpoint = default_model()
    restored = {}
    for precision in settings.precisions:
        model = init_model(config, checkpoint, settings.device)
        restorer = FrameRestorer(model, precision)
        arrays = [to_array(x) for frame in frames for x in restorer.push(frame)]
        restored[precision] = arrays + [to_array(x) for x in restorer.flush()]
    rows = []
    for precision, arrays in restored.items():
        against = '' if precision == 'fp32' else f'{_psnr(arrays, restored["fp32"]):.2f}'
        rows.append([precision, against, f'{_psnr(arrays, sharp):.4f}' if sharp else ''])
    what = Path(settings.video).name if settings.video else \
        f'a photograph that moves, {width}x{height}, blurred along its way'
    yield Table('Precisions', [
        f'CDVD-lite on {number} frames ({what}).', '',
        *markdown(['precision', 'PSNR against fp32, dB', 'PSNR against the sharp frames, dB'],
                  rows)], rows, 'precisions')


def _psnr(first: list[np.ndarray], second: list[np.ndarray]) -> float:
    error = np.mean([np.mean((a.astype(np.float64) - b)**2) for a, b in zip(first, second)])
    return float(10 * np.log10(255**2 / error)) if error else float('inf')

