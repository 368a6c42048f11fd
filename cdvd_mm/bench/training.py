"""How fast a training step is, where its time goes, and what memory it takes.

The step is compared with the *plain form* of the same network: every triple of
frames and every pair of flow on its own, every frame's flow features computed
anew for each pair. Rounds are interleaved (every case once, then every case
again), so that a machine that slows down slows all cases down alike; figures
are medians.
"""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from mmagic.structures import DataSample
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.utils.data import DataLoader

from cdvd_mm.engine.hooks.network_hooks import checkpoint_modules
from cdvd_mm.inference.model import select_device
from cdvd_mm.registry import MODELS
from cdvd_mm.system import device_name, has_fast_bf16

from .memory import peak_memory
from .options import TrainBenchmarkOptions
from .plain import SteppedCascade, plain_details

CASES: dict[str, dict[str, Any]] = {
    'plain': dict(plain=True),
    'batched': {},
    'fused': dict(fused=True),
    'channels_last': dict(channels_last=True),
    'bf16': dict(dtype='bfloat16'),
    'fp16': dict(dtype='float16'),
    'fast': dict(dtype='bfloat16', channels_last=True, fused=True),
    'compile': dict(dtype='bfloat16', channels_last=True, fused=True, compile=True),
    'checkpointing': dict(checkpointing=True),
}
"""What is measured, by name: options of a step."""

PARTS = ('forward', 'backward', 'optimiser', 'synchronisation')


class Step:
    """A training step of one case, on weights of its own.

    Args:
        model (nn.Module): A restorer; copied.
        cfg (Config): With ``optim_wrapper``.
        device (torch.device): Where to compute.
        plain (bool): The plain form.
        dtype (str, optional): Of mixed precision.
        channels_last (bool): Memory format of the weights.
        fused (bool): One launch for the update of all parameters.
        compile (bool): ``torch.compile`` of the restoration network.
        checkpointing (bool): Activation checkpointing.
    """

    def __init__(self, model: Any, cfg: Config, device: torch.device, plain: bool = False,
                 dtype: str | None = None, channels_last: bool = False, fused: bool = False,
                 compile: bool = False, checkpointing: bool = False) -> None:  # noqa: A002
        self.model = copy.deepcopy(model).to(device).train()
        self.model.set_training_step(0, logs=False)  # as most steps of a training
        self.device = device
        generator: Any = self.model.generator
        if plain:
            generator.forward_stages = lambda *args: [
                details.restored for details in plain_details(generator, *args)]
        if channels_last:
            generator.to(memory_format=torch.channels_last)
        if checkpointing:
            checkpoint_modules(self.model)
        if compile:
            generator.reconstruction.compile()
        wrapper = copy.deepcopy(cfg.optim_wrapper)
        wrapper.update(type='GuardedOptimWrapper', dtype=dtype, accumulative_counts=1)
        wrapper.constructor = 'GroupedOptimWrapperConstructor'
        if fused:
            wrapper.optimizer.fused = True
        with DefaultScope.overwrite_default_scope('cdvd_mm'):
            self.wrapper = build_optim_wrapper(self.model, wrapper)

    def __call__(self, data: dict, mark: Callable[[str], None] = lambda part: None) -> Tensor:
        """Run the step.

        Args:
            data (dict): A batch as a data loader gives it.
            mark (Callable): Called with the name of every part when it ends.

        Returns:
            Tensor: The loss.
        """
        torch.manual_seed(0)  # the random pixels of the loss are the same for all cases
        data = copy.copy(data)
        with self.wrapper.optim_context(self.model):
            batch = self.model.data_preprocessor(data, True)
            losses = self.model(**batch, mode='loss')
        loss, _ = self.model.parse_losses(losses)
        mark('forward')
        self.wrapper.backward(loss)
        mark('backward')
        if torch.distributed.is_initialized():
            gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
            flat = torch.cat([gradient.flatten() for gradient in gradients])
            torch.distributed.all_reduce(flat)
        mark('synchronisation')
        self.wrapper.step()
        self.wrapper.zero_grad()
        mark('optimiser')
        return loss.detach()


def make_batch(num_frames: int, batch_size: int, size: int) -> dict:
    """Draw a batch of smooth random clips as a data loader gives it.

    Args:
        num_frames (int): t.
        batch_size (int): Clips.
        size (int): Height and width.

    Returns:
        dict: ``inputs`` (t, 3, h, w) uint8 and ``data_samples`` of each clip.
    """
    generator = torch.Generator().manual_seed(0)
    inputs, samples = [], []
    for _ in range(batch_size):
        coarse = torch.rand(1, 3, size // 8 + 2, size // 8 + 2, generator=generator)
        base = nn.functional.interpolate(coarse, size=(size + 16, size + 16), mode='bicubic')
        frames = torch.cat([base[..., 2 * k:2 * k + size, k:k + size] for k in range(num_frames)])
        frames = (frames.clamp(0, 1) * 255).byte()
        sample = DataSample(gt_img=frames.clone())
        sample.set_metainfo(dict(img_channel_order='RGB', gt_channel_order='RGB'))
        inputs.append(frames)
        samples.append(sample)
    return dict(inputs=inputs, data_samples=samples)


def benchmark_train(cfg: Config, options: TrainBenchmarkOptions) -> dict:
    """Measure training steps.

    The rounds that are compared take one batch that is there already. With
    ``options.data`` every case then trains from the config's data loader, and
    the time it waits for its next batch is the part ``data``.

    Args:
        cfg (Config): A training config of a cascade.
        options (TrainBenchmarkOptions): What to measure.

    Returns:
        dict: ``device``, ``setting``, and ``cases``: of each case the median
        ``seconds`` of a step, ``samples_per_s``, ``speedup`` over the plain
        form (median of the rounds' ratios), ``parts`` in seconds (``data``
        is None where it was not measured), ``memory`` in bytes above what
        weights and moments take, and ``loss`` of the first step.

    Raises:
        ValueError: An unknown case, a network that is no cascade, or a device
            that is not there.
        FileNotFoundError: The data are not there.
    """
    chosen = select_device(options.device)
    names = options.cases or (['plain', 'batched', 'bf16', 'fast', 'compile', 'checkpointing']
                      if chosen.type == 'cuda' else
                      ['plain', 'batched', 'fused', *(['bf16'] if has_fast_bf16(chosen) else []),
                       'checkpointing'])
    unknown = [name for name in names if name not in CASES]
    if unknown:
        raise ValueError(f'unknown case(s) {unknown}; choose from {list(CASES)}')
    # one iterator for all cases: a sampler without an end cannot begin again
    batches = None if options.data is None else iter(_loader(cfg, options))
    model = _build(cfg)
    data = make_batch(model.generator.num_frames, options.batch_size, options.size)
    results: dict[str, dict[str, Any]] = {
        name: dict(seconds=[], parts={part: [] for part in PARTS}) for name in names}
    steps = {name: Step(model, cfg, chosen, **CASES[name]) for name in names}
    end = time.monotonic() + (options.seconds or float('inf'))
    for number in range(options.rounds + 2):
        if number > 2 and time.monotonic() > end:
            break
        for name, step in steps.items():
            if number == 0:
                results[name]['loss'] = float(step(data))
            elif number == 1:  # moments are there, gradients are not
                results[name]['memory'] = peak_memory(partial(step, data), chosen)
            else:
                _round(step, data, results[name])
    plain = results.get('plain', {}).get('seconds')
    summary = {}
    for name, result in results.items():
        seconds = statistics.median(result['seconds'])
        summary[name] = dict(
            seconds=seconds, samples_per_s=options.batch_size / seconds, loss=result['loss'],
            memory=result['memory'],
            speedup=statistics.median(a / b for a, b in zip(plain, result['seconds']))
            if plain else None,
            parts={'data': batches and _wait_for_data(steps[name], batches, options.rounds),
                   **{part: statistics.median(times) for part, times in result['parts'].items()}})
    return dict(device=device_name(chosen), cases=summary, setting=(
        f'{options.batch_size} window(s) of {model.generator.num_frames} frames of '
        f'{options.size}x{options.size}, {len(results[names[0]]["seconds"])} interleaved rounds, '
        f'PyTorch {torch.__version__}'))


def to_text(report: dict) -> str:
    """A table of what :func:`benchmark_train` measured."""
    lines = [f'{report["device"]}; {report["setting"]}', '',
             '| case | s/step | steps/s | samples/s | x plain | data | forward | backward | '
             'synchronisation | optimiser | memory (MiB) | first loss |', '|' + ' --- |' * 12]
    for name, case in report['cases'].items():
        parts = case['parts']
        speedup = '' if case['speedup'] is None else f'{case["speedup"]:.2f}'
        data = '' if parts['data'] is None else f'{parts["data"]:.3f}'
        lines.append(
            f'| {name} | {case["seconds"]:.3f} | {1 / case["seconds"]:.2f} | '
            f'{case["samples_per_s"]:.2f} | {speedup} | {data} | {parts["forward"]:.3f} | '
            f'{parts["backward"]:.3f} | {parts["synchronisation"]:.3f} | '
            f'{parts["optimiser"]:.3f} | {case["memory"] / 2**20:.0f} | {case["loss"]:.6f} |')
    return '\n'.join(lines) + '\n'


def _build(cfg: Config) -> Any:
    settings = copy.deepcopy(cfg.model)
    settings.pop('stage_milestones', None)  # all stages
    if settings.generator.get('flow_estimator'):
        settings.generator.flow_estimator.pop('init_cfg', None)
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('cdvd_mm'):
        model = MODELS.build(settings)
    if not isinstance(model.generator, SteppedCascade):
        raise ValueError(f'{type(model.generator).__name__} is no cascade; the benchmark compares '
                         'forms of cascades')
    return model


def _loader(cfg: Config, options: TrainBenchmarkOptions) -> DataLoader:
    """The config's training data, without an end."""
    settings = copy.deepcopy(cfg.train_dataloader)
    settings.update(batch_size=options.batch_size,
                    sampler=dict(type='InfiniteSampler', shuffle=True))
    settings.dataset.data_root = options.data
    for step in settings.dataset.pipeline:
        if step.get('crop_size'):
            step.crop_size = options.size
    with DefaultScope.overwrite_default_scope('cdvd_mm'):
        return Runner.build_dataloader(settings, seed=0)


def _wait_for_data(step: Step, batches: Iterator[dict], rounds: int) -> float:
    """Median time that a training waits for its next batch, seconds."""
    waits = []
    for number in range(rounds + 2):  # two warm up
        start = time.perf_counter()
        batch = next(batches)
        if number >= 2:
            waits.append(time.perf_counter() - start)
        step(batch)
        _synchronise(step.device)
    return statistics.median(waits)


def _synchronise(device: torch.device) -> None:
    if device.type == 'cuda':
        torch.cuda.synchronize(device)


def _round(step: Step, data: dict, result: dict) -> None:
    """Time one step as it is, and one with a stop after every part."""
    _synchronise(step.device)
    start = time.perf_counter()
    step(data)
    _synchronise(step.device)
    result['seconds'].append(time.perf_counter() - start)
    last = [time.perf_counter()]

    def mark(part: str) -> None:
        _synchronise(step.device)
        now = time.perf_counter()
        result['parts'][part].append(now - last[0])
        last[0] = now

    step(data, mark)
