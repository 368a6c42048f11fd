"""Whether a device trains, and how fast."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from mmengine.config import Config

from cdvd_mm.bench import loader, training
from cdvd_mm.bench.options import TrainBenchmarkOptions
from cdvd_mm.engine import launch
from cdvd_mm.engine.config import load_config

from .material import write_pairs
from .settings import Settings, Table, markdown


def time_steps(settings: Settings) -> Iterator[Table]:
    """Steps in all forms, with the config's loader; then the loader alone, files against store."""
    root = write_pairs(Path(settings.folder) / 'pairs', settings.patch)
    cfg = load_config(settings.config, settings.cfg_options)
    cfg.train_dataloader.num_workers = min(cfg.train_dataloader.get('num_workers', 0),
                                           os.cpu_count() or 1)
    cfg.train_dataloader.persistent_workers = cfg.train_dataloader.num_workers > 0
    report = training.benchmark_train(cfg, TrainBenchmarkOptions(
        config=settings.config, size=settings.patch, rounds=10 if settings.on_gpu else 2,
        device=settings.device, data=str(root), seconds=0.5 * settings.seconds))
    yield Table('Training steps', training.to_text(report).splitlines(), report, 'training')
    yield _time_loader(cfg, root, settings)


def _time_loader(cfg: Config, root: Path, settings: Settings) -> Table:
    store = root.with_name('store')
    subprocess.run([sys.executable, '-m', 'cdvd_mm', 'prepare', 'GOPRO', str(root), '--store',
                    str(store)], check=True, capture_output=True)
    dataset = cfg.train_dataloader.dataset
    for step in dataset.pipeline:
        if step.get('crop_size'):
            step.crop_size = settings.patch
    workers = cfg.train_dataloader.num_workers
    reports, same = loader.benchmark_loader(dataset, [str(root), str(store)],
                                            64 if settings.on_gpu else 8, workers)
    rows = [[r.form, f'{r.sequential:.1f}', f'{r.loader:.1f}'] for r in reports]
    return Table('Training samples a second', markdown(
        ['form', 'one process', f'{workers} worker(s)'], rows),
        [r.as_dict() for r in reports], 'loader',
        '' if same else 'files and store give different samples')


def time_processes(settings: Settings) -> Iterator[Table]:
    """Steps on all GPUs at once, gradients exchanged by nccl."""
    number = torch.cuda.device_count()
    out = Path(settings.folder) / 'distributed.json'
    given = [f'{key}={value}' for key, value in (settings.cfg_options or {}).items()]
    subprocess.run(
        [sys.executable, '-m', 'torch.distributed.run', f'--nproc_per_node={number}',
         '--standalone', '-m', 'cdvd_mm', 'benchmark-train', settings.config, '--launcher',
         'pytorch', '--device', 'cuda', '--size', str(settings.patch), '--rounds', '5',
         '--cases', 'batched', 'fast', '--json', str(out),
         *(['--cfg-options', *given] if given else [])], check=True)
    report = json.loads(out.read_text(encoding='utf-8'))
    yield Table(f'Several GPUs: {number}', training.to_text(report).splitlines(), report,
                'distributed')


def train_twice(settings: Settings) -> Iterator[Table]:
    """Train on the demo data at one go, and again with a stop in the middle."""
    folder = Path(settings.folder)
    data = folder / 'demo'
    subprocess.run([sys.executable, '-m', 'cdvd_mm', 'demo-data', str(data), '--train-scenes',
                    '16' if settings.on_gpu else '4', '--test-scenes', '1'],
                   check=True, capture_output=True)
    steps = 400 if settings.on_gpu else 16
    whole, weights = _train(data, folder / 'whole', steps, steps)
    first, _ = _train(data, folder / 'halves', steps, steps // 2)
    second, resumed = _train(data, folder / 'halves', steps, steps)
    equal = whole == first + second and all(
        torch.equal(value, resumed[name]) for name, value in weights.items())
    tenth = steps // 10
    start, end = (sum(part) / tenth for part in (whole[:tenth], whole[-tenth:]))
    wrong = [] if equal else ['the resumed training ends with other weights']
    wrong += [] if all(map(math.isfinite, whole)) else ['a loss is not finite']
    wrong += [] if end < start or not settings.on_gpu else ['the loss does not fall']
    yield Table('A training', markdown(
        ['steps', 'mean loss, first tenth', 'mean loss, last tenth',
         'stopped in the middle and resumed: all losses and weights bit-identical'],
        [[steps, f'{start:.6f}', f'{end:.6f}', 'yes' if equal else 'NO']]),
        dict(losses=whole, resumed=first + second, identical=equal), 'demo_training',
        '; '.join(wrong))


def _train(data: Path, folder: Path, steps: int, stop: int) -> tuple[list[float], dict]:
    """Train the demo's config, of so many steps, until one; give all losses, and the weights."""
    cfg = load_config('cdvd_mm::cdvd_demo.py', {
        'train_cfg.max_iters': stop, 'default_hooks.checkpoint.interval': stop,
        'default_hooks.logger.interval': 1, 'param_scheduler.T_max': steps,
        'model.stage_milestones': [steps // 4],
        'log_processor.window_size': 1}, str(folder), str(data))
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.default_hooks.checkpoint.pop('save_best')
    cfg.visualizer.vis_backends = [dict(type='LocalVisBackend')]
    cfg.param_scheduler.end = steps  # not where the first half stops
    cfg.randomness.deterministic = True
    cfg.env_cfg.cudnn_benchmark = False
    cfg.experiment_name = f'{folder.name}_{stop}'
    before = set(folder.glob('*/vis_data/scalars.json'))
    weights = launch.train(cfg, resume='auto').model.state_dict()
    log, = set(folder.glob('*/vis_data/scalars.json')) - before
    rows = [json.loads(line) for line in log.read_text(encoding='utf-8').splitlines()]
    return ([row['loss'] for row in rows if 'loss' in row],
            {name: value.detach().cpu().clone() for name, value in weights.items()})
