"""Weights by URL and configs in YAML: nothing that is read in is executed.

MMEngine loads what an URL gives with ``pickle``, and YAML with a loader that calls any function
that the file names. Both are told by MMEngine's own registries to go another way.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any, TextIO
from urllib.parse import urlsplit

import torch

from .checkpoint import load_from_local


def load_from_http(filename: str, map_location: Any = None) -> dict:
    """Download a checkpoint, once a machine, and load it as a local file.

    Args:
        filename: Its address; what was downloaded before, by PyTorch as well, lies in the folder
            ``checkpoints`` of ``torch.hub`` and is taken from there.
        map_location: As for ``torch.load``.

    Raises:
        ValueError: It cannot be downloaded, or is no checkpoint.
    """
    from mmengine.dist import barrier, get_dist_info
    name = os.path.basename(urlsplit(filename).path)
    if not name:
        raise ValueError(f'{filename} names no file')
    folder = os.path.join(torch.hub.get_dir(), 'checkpoints')
    path = os.path.join(folder, name)
    failure = None
    if get_dist_info()[0] == 0 and not os.path.exists(path):
        os.makedirs(folder, exist_ok=True)
        try:
            torch.hub.download_url_to_file(filename, path, progress=False)
        except (OSError, RuntimeError) as error:
            failure = error
    barrier()
    if failure is not None or not os.path.exists(path):
        raise ValueError(f'{filename} cannot be downloaded ({failure}); download it by other means '
                         'and name the file') from failure
    return load_from_local(path, map_location)


def _refuse(filename: str, map_location: Any = None, scheme: str = '') -> dict:
    raise ValueError(f'{filename}: weights are not loaded from {scheme} (only from files, http:// '
                     'and https://); download the file and name its path')


def install_loaders(checkpoint_module: ModuleType) -> None:
    """Let every address of weights go through the safe loader, or refuse it.

    Args:
        checkpoint_module: ``mmengine.runner.checkpoint``.
    """
    loader = checkpoint_module.CheckpointLoader
    known: dict[str, Callable] = dict(loader._schemes)
    for prefix in known:
        if prefix in ('http://', 'https://'):
            loader.register_scheme(prefixes=prefix, loader=load_from_http, force=True)
        elif prefix:
            refuse = partial(_refuse, scheme=prefix)
            refuse.__name__ = 'load_from_nowhere'  # type: ignore[attr-defined]  # it is logged
            loader.register_scheme(prefixes=prefix, loader=refuse, force=True)


def install_yaml(handlers_module: ModuleType) -> None:
    """Let YAML be read by its safe loader.

    Args:
        handlers_module: ``mmengine.fileio.handlers``.
    """
    import yaml

    theirs: Any = handlers_module.YamlHandler

    class SafeYamlHandler(theirs):
        """MMEngine's handler, reading plain data alone."""

        def load_from_fileobj(self, file: TextIO, **kwargs: Any) -> Any:
            """Read a file.

            Raises:
                ValueError: It is no YAML, or asks for more than plain data.
            """
            try:
                return yaml.safe_load(file)
            except yaml.YAMLError as error:
                place = ' '.join(str(error).split())
                raise ValueError(f'no YAML of plain data: {place}') from error

    handlers_module.register_handler(['yaml', 'yml'])(SafeYamlHandler)
