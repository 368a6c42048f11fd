"""Reading configs."""

from __future__ import annotations

import os.path as osp

from mmengine.config import Config

from cdvd_mm.compat.config_names import resolve


def load_config(path: str, options: dict | None = None, work_dir: str | None = None) -> Config:
    """Read a config and apply what the command line says.

    Args:
        path: Path of the config, or ``cdvd_mm::cdvd_gopro.py``, the one of that name in this
            package.
        options: Settings that override the config's, by dotted key.
        work_dir: Where logs and checkpoints go; ``None`` for the config's own ``work_dir`` or
            ``work_dirs/<config name>``.

    Returns:
        The config.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It cannot be read.
    """
    path = resolve(path)
    if not osp.isfile(path):
        raise FileNotFoundError(f'config not found: {path}')
    try:
        cfg = Config.fromfile(path)
        if options:
            cfg.merge_from_dict(options)
    except (SyntaxError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError(f'cannot read config {path}: {type(error).__name__}: {error}') from error
    if work_dir or cfg.get('work_dir') is None:
        cfg.work_dir = work_dir or osp.join('work_dirs', osp.splitext(osp.basename(path))[0])
    return cfg
