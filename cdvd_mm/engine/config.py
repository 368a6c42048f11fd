"""Reading configs, and what the command line says about them."""

from __future__ import annotations

import difflib
import inspect
import os.path as osp
from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config, ConfigDict

from cdvd_mm.compat.config_names import resolve

LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
_READ_BESIDE = {'work_dir', 'custom_imports', 'start_from', 'find_unused_parameters', 'sync_bn',
                'model_wrapper_cfg', 'activation_checkpointing', 'efficient_conv_bn_eval',
                'compile'}
"""What is read of a config beside the arguments of MMEngine's runner."""


def load_config(path: str, options: Mapping[str, Any] | None = None, work_dir: str | None = None,
                data_root: str | None = None) -> Config:
    """Read a config and apply what the command line says.

    Args:
        path: Path of the config (Python, which is executed; YAML or JSON, which are read as plain
            data), or ``cdvd_mm::cdvd_gopro.py``, the one of that name in this package.
        options: Settings that override the config's, by dotted key.
        work_dir: Where logs and checkpoints go; ``None`` for the config's own ``work_dir`` or
            ``work_dirs/<config name>``.
        data_root: Folder of the dataset, for training, validation and test.

    Returns:
        The config.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It cannot be read, or an option names nothing that is used.
    """
    path = resolve(path)
    if not osp.isfile(path):
        raise FileNotFoundError(f'config not found: {path}')
    try:
        cfg = Config.fromfile(path)
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001  (a Python config can raise anything)
        raise ValueError(f'cannot read config {path}: {type(error).__name__}: {error}') from error
    if options:
        _check_options(cfg, options, path)
        try:
            cfg.merge_from_dict(dict(options))
        except (LookupError, TypeError, AttributeError) as error:
            raise ValueError(f'{path} cannot take {", ".join(options)}: {error}') from error
    if data_root is not None:
        _set_data_root(cfg, data_root, path)
    if work_dir or cfg.get('work_dir') is None:
        cfg.work_dir = work_dir or osp.join('work_dirs', osp.splitext(osp.basename(path))[0])
    return cfg


def _set_data_root(cfg: Config, data_root: str, path: str) -> None:
    datasets: list[ConfigDict] = []
    for name in LOADERS:
        loaders = cfg.get(name) or ()
        for loader in loaders if isinstance(loaders, (list, tuple)) else [loaders]:
            if 'data_root' in (loader.get('dataset') or {}):
                datasets.append(loader.dataset)
    if not datasets:
        raise ValueError(f'{path} has no dataset with a data_root to set')
    for dataset in datasets:
        dataset.data_root = data_root


def _check_options(cfg: Config, options: Mapping[str, Any], path: str) -> None:
    """Refuse what would be merged and then read by nobody."""
    from mmengine.runner import Runner
    read = _READ_BESIDE | set(inspect.signature(Runner.__init__).parameters) - {'self', 'cfg'}
    known = dict(_dotted(cfg.to_dict()))
    for key in options:
        first = key.partition('.')[0]
        if first not in read:
            likely = _same_name(key, known, read) or difflib.get_close_matches(
                key, [*known, *read], 3, 0.75)
            if first in cfg and not likely:
                likely = [name for name, value in known.items()
                          if value == cfg[first] and name.partition('.')[0] in read][:3]
            why = 'is a variable of the config, used before options are applied' \
                if first in cfg else 'is no setting'
            raise ValueError(f'{key}: {first!r} {why} in {path}, so that it would change nothing'
                             + _did_you_mean(key, likely))
        parent, _, last = key.rpartition('.')
        siblings = [name for name in known if name.rpartition('.')[0] == parent]
        if key not in known and parent and parent not in known:
            close = difflib.get_close_matches(parent, known, 1, 0.9)
            if close:
                raise ValueError(f'{key}: {path} has no {parent!r}'
                                 + _did_you_mean(key, [f'{close[0]}.{last}']))
        elif key not in known:
            close = difflib.get_close_matches(key, siblings, 1, 0.9)
            if close and f'{parent}.type' not in known:
                raise ValueError(f'{key}: {path} has no such setting' + _did_you_mean(key, close))


def _did_you_mean(key: str, likely: list[str]) -> str:
    hint = ' (--data-root DIR sets all of them)' if key == 'data_root' else ''
    return f'. Did you mean {" or ".join(likely)}?{hint}' if likely else ''


def _same_name(key: str, known: Mapping[str, Any], read: set[str]) -> list[str]:
    """Settings that are read and have the same or nearly the same last name."""
    named: dict[str, list[str]] = {}
    for name in known:
        if name.partition('.')[0] in read:
            named.setdefault(name.rpartition('.')[2], []).append(name)
    last = key.rpartition('.')[2]
    close = [last] if last in named else difflib.get_close_matches(last, named, 1, 0.8)
    return [name for one in close for name in named[one]][:3]


def _dotted(value: Any, prefix: str = '') -> Iterator[tuple[str, Any]]:
    """Every setting by its dotted key, lists by number."""
    items = value.items() if isinstance(value, Mapping) else enumerate(value) \
        if isinstance(value, (list, tuple)) else ()
    for name, inner in items:
        key = f'{prefix}{name}'
        yield key, inner
        yield from _dotted(inner, f'{key}.')
