"""How fast the network restores frames: forms, precisions, sizes and backends in one run.

Rounds are interleaved (every case once, then every case again), so that a
machine that slows down or is shared slows all cases down alike; figures are
medians with their spread. The share of the device's peak is measured in the
same rounds, by a large matrix product and a large copy.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import statistics
import time
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

from cdvd_mm.inference.model import init_model
from cdvd_mm.inference.precision import matmul_precision, prepare_network
from cdvd_mm.models.streaming import StreamingCascade
from cdvd_mm.ops.backends import preferring
from cdvd_mm.system import device_name

from .device_peak import DevicePeak
from .macs import count_macs
from .memory import peak_memory
from .options import BenchmarkOptions
from .plain import SteppedCascade, restore_window_plainly


@dataclasses.dataclass
class Case:
    """One thing to be timed, and its figures.

    Args:
        form (str): 'plain' (window by window, triple by triple, pair by pair)
            or 'streaming'.
        height (int): Of the frames.
        width (int): Of the frames.
        precision (str): fp32, tf32, fp16 or bf16.
        backend (str): 'auto' or 'torch'.
        compile (bool): With torch.compile.
        graphs (bool): With CUDA graphs.
    """

    form: str
    height: int
    width: int
    precision: str
    backend: str = 'auto'
    compile: bool = False
    graphs: bool = False
    seconds: list = dataclasses.field(default_factory=list)
    cpu_seconds: list = dataclasses.field(default_factory=list)
    macs: int = 0
    peak_memory: int = 0
    error: str = ''

    @property
    def label(self) -> str:
        """A short name."""
        extras = '' if self.backend == 'auto' else f', {self.backend}'
        extras += ', compiled' if self.compile else ''
        extras += ', graphs' if self.graphs else ''
        return f'{self.form} {self.width}x{self.height} {self.precision}{extras}'

    @property
    def median(self) -> float:
        """Seconds a frame."""
        return statistics.median(self.seconds) if self.seconds else float('nan')


class _Runner:
    """Makes a case's network give one frame a call."""

    def __init__(self, case: Case, network: Any, device: torch.device) -> None:
        self.case = case
        self.device = device
        prepared = prepare_network(copy.deepcopy(network), case.precision, device.type,
                                   case.compile, case.graphs)
        self.weights = [*prepared.parameters(), *prepared.buffers()]
        self.network = cast(SteppedCascade, prepared)
        generator = torch.Generator().manual_seed(0)
        coarse = torch.rand(1, 3, case.height // 8 + 8, case.width // 8 + 8, generator=generator)
        picture = nn.functional.interpolate(coarse, scale_factor=8, mode='bilinear',
                                            align_corners=False)
        # a picture that moves: 2 pixels right, 1 down a frame
        self.frames = [picture[..., k:k + case.height, 2 * k:2 * k + case.width]
                       .contiguous().to(device) for k in range(2 * network.num_stages + 1)]
        self.streamer = StreamingCascade(self.network)
        self.index = 0
        if case.form == 'streaming':
            with self._settings():
                for _ in range(self.streamer.context + 1):  # from then on a frame a push
                    self._next()

    def _settings(self) -> contextlib.ExitStack:
        stack = contextlib.ExitStack()
        stack.enter_context(matmul_precision(self.case.precision))
        stack.enter_context(preferring(self.case.backend))
        return stack

    def _next(self) -> list[Tensor]:
        frame = self.frames[self.index % len(self.frames)]
        self.index += 1
        return self.streamer.push(frame)

    def once(self) -> None:
        """Restore one frame, and wait for it."""
        with self._settings():
            if self.case.form == 'streaming':
                assert len(self._next()) == 1
            else:
                restore_window_plainly(self.network, self.frames)
            if self.device.type == 'cuda':
                torch.cuda.synchronize(self.device)

    def time(self) -> None:
        """Time :meth:`once`, by the clock and by what the process got of the CPU."""
        start, cpu = time.perf_counter(), time.process_time()
        self.once()
        self.case.seconds.append(time.perf_counter() - start)
        self.case.cpu_seconds.append(time.process_time() - cpu)

    def peak_memory(self) -> int:
        """Bytes that a frame takes, weights and the frames of a window included.

        On a CPU nothing is seen of compiled code: 0.
        """
        if self.case.compile and self.device.type != 'cuda':
            return 0
        held = [*self.weights, *self.frames]
        with self._settings():
            return peak_memory(self._from_the_start, self.device, held)

    def _from_the_start(self) -> None:
        """Restore a frame with all the state that this leaves behind."""
        if self.case.form == 'plain':
            restore_window_plainly(self.network, self.frames)
        else:
            streamer = StreamingCascade(self.network)
            for frame in self.frames:
                streamer.push(frame)


def run_benchmark(network: nn.Module, cases: list[Case], device: torch.device, rounds: int = 5,
                  warmup: int = 1, say: Callable[[str], None] | None = None,
                  seconds: float | None = None) -> dict:
    """Time all cases, interleaved.

    Args:
        network (nn.Module): A CDVDNet; it is copied, not changed.
        cases (list[Case]): What to time; their figures are filled in.
        device (torch.device): Where.
        rounds (int): How often each case is timed.
        warmup (int): Calls of each case before that, at least 1.
        say (Callable, optional): Called with a line on what is going on.
        seconds (float, optional): No further round begins after this time.

    Returns:
        dict: JSON-able report.
    """
    say = say or (lambda line: None)
    end = time.monotonic() + (seconds or float('inf'))
    network = network.to(device).eval()
    runners, macs = [], {}
    for case in cases:
        say(f'warming up: {case.label}')
        try:
            runner = _Runner(case, network, device)
            for _ in range(warmup - 1):
                runner.once()
            case.peak_memory = runner.peak_memory()
            key = case.form, case.height, case.width
            if key not in macs:  # precision and backend make no difference
                macs[key] = _count(network, case.form, runner.frames)
            case.macs = macs[key]
            runners.append(runner)
        except (RuntimeError, NotImplementedError) as error:
            case.error = str(error).splitlines()[0]
            say(f'left out: {case.label}: {case.error}')
    peaks = {kind: DevicePeak(kind, device)
             for kind in dict.fromkeys([r.case.precision for r in runners] + ['copy'])}
    for peak in peaks.values():
        peak.measure()
        peak.seconds.clear()
    for k in range(rounds):
        if k and time.monotonic() > end:
            rounds = k
            break
        say(f'round {k + 1} of {rounds}')
        for runner in runners:
            runner.time()
        for peak in peaks.values():
            for _ in range(3):
                peak.measure()
    return _report(cases, peaks, device, rounds, network)


def _count(network: Any, form: str, frames: list[Tensor]) -> int:
    """Multiply-adds a frame, counted on the frames of a window."""
    if form == 'plain':
        return count_macs(restore_window_plainly, network, frames).total
    streamer = StreamingCascade(network)
    with torch.inference_mode():
        for frame in frames:
            streamer.push(frame.clone())
    return count_macs(streamer.push, frames[0]).total


def _report(cases: list[Case], peaks: dict[str, DevicePeak], device: torch.device, rounds: int,
            network: nn.Module) -> dict:
    rows = []
    for case in cases:
        row = {'form': case.form, 'width': case.width, 'height': case.height,
               'precision': case.precision, 'backend': case.backend, 'compile': case.compile,
               'graphs': case.graphs}
        if case.error:
            rows.append({**row, 'error': case.error})
            continue
        flops = 2 * case.macs / case.median
        rows.append({
            **row, 'seconds': case.seconds, 'cpu_seconds': case.cpu_seconds,
            'median': case.median, 'fastest': min(case.seconds),
            'slowest': max(case.seconds), 'frames_per_second': 1 / case.median,
            'macs': case.macs, 'peak_memory': case.peak_memory, 'flops': flops,
            'share_of_peak': flops / peaks[case.precision].rate,
        })
    return {
        'device': device_name(device), 'torch': torch.__version__, 'rounds': rounds,
        'parameters': sum(p.numel() for p in network.parameters()),
        'peaks': {kind: peak.rate for kind, peak in peaks.items()},
        'cases': rows, 'ratios': _ratios(cases),
    }


def _ratios(cases: list[Case]) -> list[dict]:
    """How many times as fast as plain fp32 every case is, by the medians of one run.

    Beside it the ratios of each round by itself and of the CPU time, which a
    load that comes and goes disturbs less.
    """
    ratios = []
    for case in cases:
        for other in cases:
            same = (case.height, case.width) == (other.height, other.width)
            reference = other.form == 'plain' and other.precision == 'fp32' \
                and other.backend == case.backend and not (other.compile or other.graphs)
            if same and reference and case is not other and case.seconds and other.seconds:
                by_round = [b / a for a, b in zip(case.seconds, other.seconds)]
                ratios.append({'case': case.label, 'against': other.label,
                               'ratio': other.median / case.median,
                               'ratio_by_round': statistics.median(by_round),
                               'ratio_of_cpu_time': statistics.median(other.cpu_seconds)
                               / statistics.median(case.cpu_seconds)})
    return ratios


def to_markdown(report: dict) -> str:
    """The report as a table."""
    peaks = ', '.join(
        f'{kind} {rate / 1e9:.1f} GB/s' if kind == 'copy' else f'{kind} {rate / 1e12:.3g} TFLOP/s'
        for kind, rate in report['peaks'].items())
    lines = [
        f'Device: {report["device"]}. PyTorch {report["torch"]}, '
        f'{report["parameters"]:,} parameters, {report["rounds"]} interleaved rounds; '
        f'measured peaks: {peaks}.', '',
        '| form | size | precision | s a frame (fastest - slowest) | frames/s | GMACs a frame '
        '| share of the matrix peak | peak memory |',
        '|---|---|---|---|---|---|---|---|',
    ]
    for row in report['cases']:
        form = row['form'] + ('' if row['backend'] == 'auto' else f' ({row["backend"]})') \
            + (' (compiled)' if row['compile'] else '') + (' (graphs)' if row['graphs'] else '')
        start = f'| {form} | {row["width"]}x{row["height"]} | {row["precision"]} |'
        if 'error' in row:
            lines.append(f'{start} not run: {row["error"]} | | | | |')
            continue
        lines.append(
            f'{start} {row["median"]:.4g} ({row["fastest"]:.4g} - {row["slowest"]:.4g}) '
            f'| {row["frames_per_second"]:.3g} | {row["macs"] / 1e9:.1f} '
            f'| {100 * row["share_of_peak"]:.0f} % '
            f'| {row["peak_memory"] / 2**20:.0f} MiB |')
    if report['ratios']:
        lines += ['', '| | times as fast as | ratio of the medians | median of the ratios '
                  '| by CPU time |', '|---|---|---|---|---|']
        lines += [f'| {r["case"]} | {r["against"]} | {r["ratio"]:.2f} | {r["ratio_by_round"]:.2f} '
                  f'| {r["ratio_of_cpu_time"]:.2f} |' for r in report['ratios']]
    return '\n'.join(lines) + '\n'


def benchmark(options: BenchmarkOptions, say: Callable[[str], None] | None = None) -> dict:
    """Build a model and time it.

    Args:
        options (BenchmarkOptions): What to time.
        say (Callable, optional): Called with a line on what is going on.

    Returns:
        dict: The report, see :func:`to_markdown`.

    Raises:
        ValueError: A model that is no cascade, a size that does not fit.
    """
    network, device = _build(options)
    cases = []
    for width, height in options.sizes or ((256, 256), ):
        if width % network.size_divisor or height % network.size_divisor:
            raise ValueError(f'{width}x{height}: sides must be multiples of '
                             f'{network.size_divisor}')
        for backend in options.backends:
            if 'plain' in options.forms:
                cases.append(Case('plain', height, width, 'fp32', backend))
            if 'streaming' in options.forms:
                cases += [Case('streaming', height, width, precision, backend, compiled, graphs)
                          for precision in options.precisions
                          for compiled, graphs in (
                              (False, False), *[(True, False)] * options.compile,
                              *[(False, True)] * options.graphs)]
    return run_benchmark(network, cases, device, options.rounds, options.warmup, say,
                         options.seconds)


def profile(options: BenchmarkOptions, precision: str, number: int = 15) -> list[dict]:
    """Find where the time of streaming goes.

    Args:
        options (BenchmarkOptions): The model, and of ``sizes`` the first.
        precision (str): fp32, tf32, fp16 or bf16.
        number (int): Kernels (of a GPU) or operators (of a CPU) that are named.

    Returns:
        list[dict]: ``name``, ``share`` of the time of all, ``ms`` and ``calls`` a frame, the most
        expensive first.
    """
    network, device = _build(options)
    (width, height), *_ = options.sizes or ((256, 256), )
    runner = _Runner(Case('streaming', height, width, precision), network.eval(), device)
    runner.once()
    on_gpu = device.type == 'cuda'
    activity = torch.profiler.ProfilerActivity
    frames = 5 if on_gpu else 1
    with torch.profiler.profile(
            activities=[activity.CPU, *[activity.CUDA] * on_gpu]) as profiler:
        for _ in range(frames):
            runner.once()
    spent = [(event.key, (_gpu_microseconds if on_gpu else _cpu_microseconds)(event), event.count)
             for event in profiler.key_averages()]
    total = sum(microseconds for _, microseconds, _ in spent) or 1.
    return [dict(name=name, share=microseconds / total, ms=microseconds / 1000 / frames,
                 calls=count / frames)
            for name, microseconds, count in sorted(spent, key=lambda row: -row[1])[:number]]


def _cpu_microseconds(event: Any) -> float:
    return event.self_cpu_time_total


def _gpu_microseconds(event: Any) -> float:
    """What the attribute is called depends on PyTorch."""
    return getattr(event, 'self_device_time_total', 0.) or \
        getattr(event, 'self_cuda_time_total', 0.)


def _build(options: BenchmarkOptions) -> tuple[Any, torch.device]:
    """The network that is to be timed, on its device."""
    if options.threads:
        torch.set_num_threads(options.threads)
    model: Any = init_model(options.config, options.checkpoint, options.device,
                            options.cfg_options)
    network = model.generator
    if not isinstance(network, SteppedCascade):
        raise ValueError(f'{options.config}: {type(network).__name__} is no cascade; the benchmark '
                         'compares forms of cascades')
    return network, next(model.parameters()).device
