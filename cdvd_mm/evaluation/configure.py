"""Bring a config's test into line with a protocol, and go on with an interrupted one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

from mmengine.config import ConfigDict
from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.logging import print_log

from .protocols import dataset_args, get_protocol
from .results import Results, file_sha256

_METRIC_TYPES = ('VideoDeblurMetric', 'cdvd_mm.VideoDeblurMetric')


def configure_test(cfg, protocols: Sequence[str] | None = None, save_frames: str | None = None,
                   resume: bool = False, checkpoint: str | None = None,
                   amp: bool = False) -> None:
    """Set up dataset and metric of a test.

    Args:
        cfg: The config; changed in place. The report goes to ``<work_dir>/results_<protocol>``
            where the metric does not name another ``out_dir``.
        protocols: Names of protocols; the dataset then delivers the frames of all of them and
            there is a metric for each. With several, the metrics carry the protocol's name,
            ``dstnet/PSNR``, and where the metric names an ``out_dir``, each has a folder in it.
            ``None`` keeps what the config says.
        save_frames: Folder for the restored frames (8 bit as the first protocol has it).
        resume: Go on with the scores of an interrupted test.
        checkpoint: The weights, to be named in the report.
        amp: Whether the test runs in mixed precision, likewise.

    Raises:
        ValueError: Unknown protocol or one that comes twice, or a config that is not tested with
            :class:`VideoDeblurMetric` while one of the arguments needs it.
    """
    names = [get_protocol(name).name for name in protocols or ()]
    if len(set(names)) < len(names):
        raise ValueError(f'each protocol can be asked for once, found {" ".join(names)}')
    if not list(_metrics(cfg.get('test_evaluator'))):
        if names or save_frames or resume:
            raise ValueError('--protocol, --save-frames and --resume need a VideoDeblurMetric in '
                             "the config's test_evaluator")
        return
    if names:
        for loader in _as_list(cfg.test_dataloader):
            loader.dataset.update(dataset_args([get_protocol(name) for name in names]))
        cfg.test_evaluator = _by_protocol(cfg.test_evaluator, names)
    info = dict(config=os.path.basename(cfg.filename) if cfg.filename else None,
                checkpoint=checkpoint,
                checkpoint_sha256=file_sha256(checkpoint) if checkpoint else None, amp=amp)
    for metric in _metrics(cfg.test_evaluator):
        name = get_protocol(metric.get('protocol', 'cdvd-tsp')).name
        prefix = f'_{metric.prefix}' if metric.get('prefix', name) != name else ''
        metric.setdefault('out_dir', os.path.join(cfg.work_dir, f'results_{name}{prefix}'))
        metric.run_info = info
        metric.resume = resume
        if save_frames is not None and name == (names or [name])[0]:
            metric.save_frames = save_frames


def _by_protocol(evaluator, names: list[str]):
    """The evaluator with a metric for each protocol in place of one."""
    if isinstance(evaluator, (list, tuple)):
        return [_by_protocol(one, names) for one in evaluator]
    if evaluator.get('type') in _METRIC_TYPES:
        metrics = _copies(evaluator, names)
        return metrics[0] if len(metrics) == 1 else ConfigDict(type='Evaluator', metrics=metrics)
    if 'metrics' in evaluator:
        evaluator.metrics = [copy for metric in _as_list(evaluator.metrics)
                             for copy in (_copies(metric, names)
                                          if metric.get('type') in _METRIC_TYPES else [metric])]
    return evaluator


def _copies(metric, names: list[str]) -> list:
    copies = []
    for name in names:
        copy = ConfigDict(metric.to_dict(), protocol=name)
        if len(names) > 1:
            copy.prefix = f'{metric.prefix}/{name}' if metric.get('prefix') else name
            if metric.get('out_dir'):
                copy.out_dir = os.path.join(metric.out_dir, name)
        copies.append(copy)
    return copies


def leave_out_scored_frames(dataloader, evaluator) -> None:
    """Tell the dataset which frames an interrupted test has scored already.

    To be called by all processes, after they can talk to each other and before the loader is built.

    Args:
        dataloader: Config of the test's loader.
        evaluator: Config of the test's evaluator.

    Raises:
        ValueError: The folder holds the scores of another test.
    """
    loaders, metrics = _as_list(dataloader), list(_metrics(evaluator))
    if not any(metric.get('resume') for metric in metrics):
        return
    if len(loaders) != 1:
        raise ValueError(f'--resume works with one test dataset, found {len(loaders)}')
    outcome: list[Any] = [None]
    if is_main_process():
        try:
            outcome = [sorted(set.intersection(*map(_scored_keys, metrics)))]
        except (OSError, ValueError) as error:
            outcome = [error]
    broadcast_object_list(outcome)
    if isinstance(outcome[0], Exception):
        raise outcome[0]
    print_log(f'{len(outcome[0])} frames were scored before and are left out', logger='current')
    loaders[0].dataset.skip_keys = outcome[0]


def _scored_keys(metric) -> set[str]:
    rows = Results(metric.out_dir, get_protocol(metric.get('protocol', 'cdvd-tsp')),
                   metric.get('run_info')).load()
    keys = []
    for row in rows:
        if metric.get('save_frames') is None or os.path.isfile(
                os.path.join(metric.save_frames, f'{row["key"]}.png')):
            keys.append(row['key'])
    return set(keys)


def _metrics(evaluator) -> Iterator:
    for one in _as_list(evaluator):
        if one.get('type') in _METRIC_TYPES:
            yield one
        elif 'metrics' in one:
            yield from _metrics(one['metrics'])


def _as_list(value) -> list:
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]
