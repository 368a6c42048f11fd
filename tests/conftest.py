"""Fixtures shared by all the tests."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

import cdvd_mm  # noqa: F401  (before mmcv.ops and mmagic, which it makes importable)

# Two cores are the machine this suite is meant for; small tensors are slower with more threads.
os.environ.setdefault('OMP_NUM_THREADS', '1')


def _has_gpu() -> bool:
    try:
        import torch
    except ImportError:  # tests of the tools that must work without PyTorch
        return False
    return torch.cuda.is_available()


if not _has_gpu():
    # Triton reads this once, when it is first imported: its kernels then run, slowly, on the CPU.
    os.environ.setdefault('TRITON_INTERPRET', '1')

REPO_ROOT = Path(__file__).resolve().parents[1]
SHARED = REPO_ROOT.parent / 'shared'


def _devices() -> list[str]:
    return ['cpu', 'cuda'] if _has_gpu() else ['cpu']


@pytest.fixture(params=_devices())
def device(request) -> str:
    """'cpu', and 'cuda' as well where there is a usable GPU."""
    return request.param


@pytest.fixture(scope='session')
def repo_root() -> Path:
    """Folder of the checkout."""
    return REPO_ROOT


@pytest.fixture(scope='session')
def shared() -> Path:
    """Folder with reference outputs, clips and weights; the test is skipped without it."""
    if not SHARED.is_dir():
        pytest.skip(f'reference data not found: {SHARED} does not exist')
    return SHARED


@pytest.fixture(autouse=True)
def _seeded():
    """Every test starts from the same random state."""
    random.seed(0)
    try:
        import numpy as np
        np.random.seed(0)
        import torch
        torch.manual_seed(0)
    except ImportError:
        pass
    yield


@pytest.fixture(autouse=True)
def _fresh_runs():
    """Nothing of a run outlives its test.

    MMEngine keeps loggers, message hubs and visualisers under the name of a run, and runs of the
    same second have the same name; and a logger's streams are pytest's, closed by then.
    """
    yield
    from mmengine.logging import MessageHub, MMLogger
    from mmengine.visualization import Visualizer

    for logger in MMLogger._instance_dict.values():
        for handler in logger.handlers:
            handler.close()
        logger.handlers.clear()
    kinds = [MMLogger, MessageHub, Visualizer]
    while kinds:
        kind = kinds.pop()
        kind._instance_dict.clear()
        kinds += kind.__subclasses__()
