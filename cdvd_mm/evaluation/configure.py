"""Bring a config's test into line with a protocol, and go on with an interrupted one."""

from __future__ import annotations

import os
from collections.abc import Iterator

from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.logging import print_log

from .protocols import get_protocol
from .results import Results, file_sha256

_METRIC_TYPES = ('VideoDeblurMetric', 'cdvd_mm.VideoDeblurMetric')


def configure_test(cfg, protocol: str | None = None, save_frames: str | None = None,
                   resume: bool = False, checkpoint: str | None = None,
                   amp: bool = False) -> None:
    """Set up dataset and metric of a test.

    Args:
        cfg: The config; changed in place. The report goes to ``<work_dir>/results_<protocol>``
            where the metric does not name another ``out_dir``.
        protocol: Name of a protocol; the dataset then delivers its frames and the metric follows
            it. ``None`` keeps what the config says.
        save_frames: Folder for the restored frames.
        resume: Go on with the scores of an interrupted test.
        checkpoint: The weights, to be named in the report.
        amp: Whether the test runs in mixed precision, likewise.

    Raises:
        ValueError: Unknown protocol, or a config that is not tested with
            :class:`VideoDeblurMetric` while one of the arguments needs it.
    """
    if protocol is not None:
        protocol = get_protocol(protocol).name
    metrics = list(_metrics(cfg.get('test_evaluator')))
    if not metrics:
        if protocol or save_frames or resume:
            raise ValueError('--protocol, --save-frames and --resume need a VideoDeblurMetric in '
                             "the config's test_evaluator")
        return
    if protocol is not None:
        for loader in _as_list(cfg.test_dataloader):
            loader.dataset.update(get_protocol(protocol).dataset_args())
    info = dict(config=os.path.basename(cfg.filename) if cfg.filename else None,
                checkpoint=checkpoint,
                checkpoint_sha256=file_sha256(checkpoint) if checkpoint else None, amp=amp)
    for metric in metrics:
        if protocol is not None:
            metric.protocol = protocol
        name = get_protocol(metric.get('protocol', 'cdvd-tsp')).name
        prefix = f'_{metric.prefix}' if metric.get('prefix') else ''
        metric.setdefault('out_dir', os.path.join(cfg.work_dir, f'results_{name}{prefix}'))
        metric.run_info = info
        metric.resume = resume
        if save_frames is not None:
            metric.save_frames = save_frames


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
    if len(metrics) != 1 or len(loaders) != 1:
        raise ValueError('--resume works with one test dataset and one VideoDeblurMetric, found '
                         f'{len(loaders)} and {len(metrics)}')
    metric, outcome = metrics[0], [None]
    if is_main_process():
        try:
            outcome = [_scored_keys(metric)]
        except (OSError, ValueError) as error:
            outcome = [error]
    broadcast_object_list(outcome)
    if isinstance(outcome[0], Exception):
        raise outcome[0]
    print_log(f'{len(outcome[0])} frames were scored before and are left out', logger='current')
    loaders[0].dataset.skip_keys = outcome[0]


def _scored_keys(metric) -> list[str]:
    rows = Results(metric.out_dir, get_protocol(metric.get('protocol', 'cdvd-tsp')),
                   metric.get('run_info')).load()
    keys = []
    for row in rows:
        if metric.get('save_frames') is None or os.path.isfile(
                os.path.join(metric.save_frames, f'{row["key"]}.png')):
            keys.append(row['key'])
    return sorted(set(keys))


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
