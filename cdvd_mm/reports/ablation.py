"""Trains, tests and tabulates configs on equal terms."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.config import Config
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmengine.visualization import Visualizer

from cdvd_mm.engine import launch
from cdvd_mm.engine.checkpoints import find_latest_checkpoint
from cdvd_mm.engine.config import load_config, resolve
from cdvd_mm.engine.hooks import StepTimeHook
from cdvd_mm.engine.loop import TrainingStopped
from cdvd_mm.evaluation.protocols import get_protocol
from cdvd_mm.evaluation.results import mean
from cdvd_mm.evaluation.scores import score_frame
from cdvd_mm.files import write_atomically
from cdvd_mm.registry import DATASETS

EQUAL = ('max_iters', 'max_epochs', 'total_batch_size')
"""Entries of train_cfg that must agree between the rows."""

WARM_STEPS, MEASURED_STEPS = 10, 30


def run_ablation(configs: Sequence[str], out: str, data_root: str | None = None,
                 seeds: Sequence[int] | None = None, options: dict | None = None,
                 iters: int | None = None, repeat: Sequence[str] | None = None,
                 seconds: float | None = None) -> dict:
    """Train and test every config with every seed; write ``table.md`` and ``table.json``.

    What an earlier call has done in the same folder is taken over; a training
    that was interrupted goes on from its last checkpoint.

    Args:
        configs (Sequence[str]): Paths of the configs, a row each.
        out (str): Folder of the table, logs and checkpoints.
        data_root (str, optional): Dataset with a train and a test split, in
            place of the configs'.
        seeds (Sequence[int], optional): Seeds. Several give a spread. Default:
            None, 0 alone.
        options (dict, optional): Settings that override the configs'.
        iters (int, optional): Train for so many steps; milestones and the
            schedule are scaled along.
        repeat (Sequence[str], optional): Names of the rows that are trained with
            every seed; the others are trained with the first one alone, and
            the spread of these rows stands for theirs. Default: None, all.
        seconds (float, optional): Train every row for as many steps as take
            about so much processor time, measured in its first steps.

    Returns:
        dict: What ``table.json`` holds: ``blurred`` (PSNR of the blurred
        frames), ``budget``, and ``rows``.

    Raises:
        FileNotFoundError: A config, the data, or weights that a config
            starts from are not there.
        ValueError: The rows do not have one budget, or share a name; a name
            in ``repeat`` is no row's; ``out`` holds a row that was trained
            with other settings.
        TrainingStopped: A training was stopped by a signal; call again.
    """
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    loaded = {}
    for path in configs:
        cfg = loaded[Path(path).stem] = _load(path, data_root, options)
        steps = iters or (seconds and _steps_in(seconds, cfg, folder / f'{Path(path).stem}.steps'))
        if steps:
            _scale(cfg, steps)
    if len(loaded) < len(configs):
        raise ValueError(f'configs must differ in name, found {[Path(p).stem for p in configs]}')
    seeds_of = _seeds_of_rows(list(loaded), seeds or [0], repeat)
    budget = _equal_budget(loaded, seconds)
    blurred = score_blurred(next(iter(loaded.values())))
    rows = []
    for name, cfg in loaded.items():
        runs = [_run(name, cfg, seed, folder / f'{name}-{seed}') for seed in seeds_of[name]]
        scores = [run['PSNR'] for run in runs]
        rows.append(dict(
            name=name, about=_first_line(cfg), runs=runs, PSNR=statistics.mean(scores),
            SSIM=statistics.mean(run['SSIM'] for run in runs),
            spread=max(scores) - min(scores) if len(scores) > 1 else None))
        table = dict(blurred=blurred, budget=budget, rows=rows)
        write_atomically(folder / 'table.json', json.dumps(table, indent=1))
        write_atomically(folder / 'table.md', to_markdown(table))
    return table


def find_rows(names: Sequence[str]) -> list[str]:
    """Paths of the rows of configs/ablation.

    Args:
        names (Sequence[str]): Names of rows there, or paths of configs; none: all rows.

    Raises:
        ValueError: There is no such row.
    """
    folder = Path(resolve('cdvd_mm::ablation/stages_2.py')).parent
    known = sorted(path.stem for path in folder.glob('*.py'))
    for name in names:
        if not name.endswith('.py') and name not in known:
            raise ValueError(f'there is no row {name!r}; choose from {", ".join(known)}, or give '
                             'the path of a config')
    return [name if name.endswith('.py') else str(folder / f'{name}.py')
            for name in names or known]


def score_blurred(cfg: Config) -> float:
    """PSNR of the blurred frames that a config tests on, by its protocol.

    Args:
        cfg (Config): With ``test_dataloader`` and ``test_evaluator``.

    Returns:
        float: Mean over frames, dB.
    """
    with DefaultScope.overwrite_default_scope('cdvd_mm'):
        dataset = DATASETS.build(cfg.test_dataloader.dataset)
    protocol = get_protocol(cfg.test_evaluator.metrics[0].get('protocol', 'cdvd-tsp'))
    scores = []
    for sample in dataset:
        blurred = sample['inputs'][len(sample['inputs']) // 2]
        sharp = sample['data_samples'].gt_img
        pred, gt = (np.asarray(frame).astype(np.uint8).transpose(1, 2, 0)
                    for frame in (blurred, sharp))
        scores.append(score_frame(pred, gt, protocol, ('PSNR', ))['PSNR'])
    return mean(scores)


def to_markdown(table: dict) -> str:
    """The table as text, in the order of the rows."""
    several = any(row['spread'] is not None for row in table['rows'])
    head = ['config', 'what', 'PSNR', 'gain', 'SSIM', 'parameters (M)', 'steps', 'training (s)']
    if several:
        head.insert(3, 'spread')
    lines = [f'{table["budget"]}. PSNR in dB; gain over the blurred frames, which have '
             f'{table["blurred"]:.2f}' + ('; spread: best minus worst seed.' if several else '.'),
             '', f'| {" | ".join(head)} |', '|' + ' --- |' * len(head)]
    for row in table['rows']:
        cells = [row['name'], row['about'].rstrip('.'), f'{row["PSNR"]:.2f}',
                 f'{row["PSNR"] - table["blurred"]:+.2f}', f'{row["SSIM"]:.4f}',
                 f'{row["runs"][0]["parameters"] / 1e6:.2f}', str(row['runs'][0]['iterations']),
                 f'{statistics.mean(run["seconds"] for run in row["runs"]):.0f}']
        if several:
            cells.insert(3, '' if row['spread'] is None else f'{row["spread"]:.2f}')
        lines.append(f'| {" | ".join(cells)} |')
    return '\n'.join(lines) + '\n'


def _seeds_of_rows(names: list[str], seeds: Sequence[int],
                   repeat: Sequence[str] | None) -> dict[str, Sequence[int]]:
    unknown = set(repeat or ()) - set(names)
    if unknown:
        raise ValueError(f'repeat names {sorted(unknown)}, but the rows are {names}')
    return {name: seeds if repeat is None or name in repeat else seeds[:1] for name in names}


def _load(path: str, data_root: str | None, options: dict | None) -> Config:
    cfg = load_config(path, options)
    flow = cfg.model.generator.get('flow_estimator') or {}
    weights = (flow.get('init_cfg') or {}).get('checkpoint')
    if weights and not Path(weights).is_file():
        raise FileNotFoundError(
            f'{path} starts from {weights}, which is not there; convert the weights with '
            'tools/model_converters, or name the rows to run without this one')
    if data_root is not None:
        for name in ('train', 'val', 'test'):
            dataset = (cfg.get(f'{name}_dataloader') or {}).get('dataset')
            if dataset is not None and 'data_root' in dataset:  # films are made, not read
                dataset.data_root = data_root
    return cfg


def _steps_in(seconds: float, cfg: Config, path: Path) -> int:
    """Steps of a config that take so much processor time; measured once, kept in ``path``."""
    if not path.is_file():
        cfg = Config(cfg.to_dict(), filename=cfg.filename)
        _scale(cfg, MEASURED_STEPS)
        cfg.custom_hooks = [*cfg.get('custom_hooks', ()), dict(type='StepTimeHook')]
        with tempfile.TemporaryDirectory() as folder:
            cfg.work_dir = folder
            runner: Runner = _fresh(launch.train, cfg, f'{path.stem}-steps')
        clock = next(hook for hook in runner.hooks if isinstance(hook, StepTimeHook))
        write_atomically(path, json.dumps(clock.seconds_a_step(WARM_STEPS)))
    return max(round(seconds / json.loads(path.read_text(encoding='utf-8'))), 1)


def _scale(cfg: Config, iters: int) -> None:
    """Shorten or lengthen a training that counts in steps."""
    before = cfg.train_cfg.max_iters
    cfg.train_cfg.max_iters = iters

    def scaled(number: int) -> int:
        return max(round(number * iters / before), 1)

    if cfg.model.get('stage_milestones'):
        cfg.model.stage_milestones = [scaled(number) for number in cfg.model.stage_milestones]
    schedulers = cfg.param_scheduler
    for scheduler in schedulers if isinstance(schedulers, list) else [schedulers]:
        for name in ('T_max', 'begin', 'end'):
            if name in scheduler:
                scheduler[name] = scaled(scheduler[name])
        if 'milestones' in scheduler:
            scheduler.milestones = [scaled(number) for number in scheduler.milestones]


def _equal_budget(configs: dict[str, Config], seconds: float | None) -> str:
    budgets = {}
    for name, cfg in configs.items():
        dataset = cfg.train_dataloader.dataset
        crop = next((step.crop_size for step in (dataset, *dataset.pipeline)
                     if step.get('crop_size')), None)
        counted = ('total_batch_size', ) if seconds else EQUAL
        budgets[name] = {**({'seconds of processor time': seconds} if seconds else {}),
                         **{key: cfg.train_cfg[key] for key in counted if key in cfg.train_cfg},
                         'batch_size': cfg.train_dataloader.batch_size, 'patch': crop}
    values = list(budgets.values())
    if any(value != values[0] for value in values):
        listed = '; '.join(f'{name}: {value}' for name, value in budgets.items())
        raise ValueError(f'the rows must have one budget, but have {listed}')
    return ', '.join(f'{key} {value}' for key, value in values[0].items())


def _first_line(cfg: Config) -> str:
    """First line of the docstring of a config."""
    lines = Path(cfg.filename).read_text(encoding='utf-8').splitlines()
    return lines[0].strip('"') if lines and lines[0].startswith('"""') else ''


def _check_settings(cfg: Config, work_dir: Path) -> None:
    """Refuse to go on with, or to take over, what was trained with other settings."""
    path = work_dir / 'settings.json'
    settings = json.loads(json.dumps(cfg.to_dict(), default=str))
    if path.is_file():
        before = json.loads(path.read_text(encoding='utf-8'))
        changed = sorted(key for key in settings.keys() | before.keys()
                         if settings.get(key) != before.get(key))
        if changed:
            raise ValueError(f'{work_dir} was trained with other settings (it differs in '
                             f'{", ".join(changed)}); give another --out, or remove the folder')
        return
    work_dir.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(settings, indent=1))


def _run(name: str, cfg: Config, seed: int, work_dir: Path) -> dict:
    _check_settings(cfg, work_dir)
    result = work_dir / 'result.json'
    if result.is_file():
        return json.loads(result.read_text(encoding='utf-8'))
    cfg = Config(cfg.to_dict(), filename=cfg.filename)
    cfg.work_dir = str(work_dir)
    cfg.randomness = dict(seed=seed)
    started = time.monotonic()
    resumed = find_latest_checkpoint(work_dir) is not None
    trained: Runner = _fresh(launch.train, cfg, f'{name}-{seed}-train', resume='auto')
    seconds = time.monotonic() - started
    if trained.iter < trained.max_iters:
        raise TrainingStopped(f'{name} with seed {seed} was stopped after {trained.iter} of '
                              f'{trained.max_iters} steps; call again to go on')
    checkpoint = find_latest_checkpoint(work_dir)
    metrics = _fresh(launch.test, cfg, f'{name}-{seed}-test', checkpoint=checkpoint)
    run = dict(seed=seed, PSNR=float(metrics['PSNR']), SSIM=float(metrics['SSIM']),
               seconds=seconds, resumed=resumed, iterations=trained.iter,
               parameters=sum(param.numel() for param in trained.model.parameters()))
    write_atomically(result, json.dumps(run, indent=1))
    return run


def _fresh(function, cfg: Config, name: str, **kwargs):
    """Call with a runner of its own: MMEngine keeps loggers and counters by name."""
    for manager in (MMLogger, MessageHub, Visualizer):
        manager._instance_dict.clear()
    cfg = Config(cfg.to_dict(), filename=cfg.filename)
    cfg.experiment_name = name
    return function(cfg, **kwargs)
