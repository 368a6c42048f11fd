"""The authors' networks: the weights that the reference outputs were made with."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import numpy as np
import torch


def load_reference(folder: Path, name: str) -> tuple[dict[str, np.ndarray], dict]:
    """Arrays of ``NAME.npz``, and the state dict by the authors' names.

    Args:
        folder (Path): The shared folder.
        name (str): Of the reference.
    """
    folder = folder / 'reference'
    with np.load(folder / f'{name}.npz') as file:
        arrays = dict(file)
    fill = runpy.run_path(str(folder / 'reference_weights.py'))['fill']
    shapes = json.loads((folder / f'{name}_state_dict.json').read_text())
    weights = fill(shapes, str(arrays['salt']), json.loads(str(arrays['overrides'])))
    weights.update({key[6:]: value for key, value in arrays.items() if key.startswith('const/')})
    return arrays, {key: torch.from_numpy(value) for key, value in weights.items()}


def to_clip(frames: np.ndarray) -> torch.Tensor:
    """uint8 (t, h, w, 3) -> (1, t, 3, h, w) in [0, 1]."""
    return torch.from_numpy(frames).permute(0, 3, 1, 2)[None] / 255
