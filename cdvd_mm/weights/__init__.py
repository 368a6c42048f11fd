"""The trained network that comes with the package.

A file of weights carries the config of its model, so that it can be used without the sources'
``configs`` folder.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from mmengine.config import Config
from torch import Tensor

from cdvd_mm.files import write_atomically

SHIPPED = Path(__file__).with_name('cdvd_lite.safetensors')
SHIPPED_CONFIG = 'cdvd_mm::cdvd_lite.py'
CONFIG_KEY = 'config'


class TrainedModel(NamedTuple):
    """What :func:`~cdvd_mm.inference.model.init_model` takes."""

    config: Config
    checkpoint: str


def default_model() -> TrainedModel:
    """The network that is used where none is named.

    Raises:
        FileNotFoundError: The installation lacks its weights.
    """
    return trained_model(SHIPPED)


def trained_model(path: str | Path) -> TrainedModel:
    """Read the config that a file of weights carries.

    Args:
        path (str | Path): A file that :func:`save_weights` wrote.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file carries no config, or is no file of safetensors.
    """
    from safetensors import SafetensorError, safe_open
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'weights not found: {path}')
    try:
        with safe_open(str(path), framework='pt') as file:
            notes = file.metadata() or {}
    except SafetensorError as error:
        raise ValueError(f'{path} cannot be read as a file of safetensors: {error}') from error
    if CONFIG_KEY not in notes:
        raise ValueError(f'{path} carries no config: expected one that '
                         'cdvd_mm.weights.save_weights wrote')
    return TrainedModel(Config(json.loads(notes[CONFIG_KEY])), str(path))


def save_weights(path: str | Path, state_dict: Mapping[str, Tensor], model: Mapping,
                 notes: Mapping[str, str] | None = None) -> None:
    """Write weights with the config of their model.

    Args:
        path (str | Path): File to write, ending in ``.safetensors``.
        state_dict (Mapping[str, Tensor]): Weights of the restorer.
        model (Mapping): ``model`` of its config, plain numbers, strings, lists and dicts.
        notes (Mapping[str, str], optional): More to be written into the file.
    """
    from safetensors.torch import save
    config = dict(default_scope='cdvd_mm', model=model)
    weights = {name: value.detach().cpu().contiguous() for name, value in state_dict.items()}
    data = save(weights, metadata={CONFIG_KEY: json.dumps(config), **(notes or {})})
    write_atomically(path, data)
