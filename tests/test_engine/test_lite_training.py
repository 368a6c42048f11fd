"""The shipped network's recipe, by the toolbox's own loop: it learns, and goes on exactly."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from cdvd_mm.engine.config import load_config
from cdvd_mm.engine.launch import train

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope='module')
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp('pictures')
    rng = np.random.default_rng(0)
    squares = np.kron(rng.integers(0, 255, size=(20, 25, 3)), np.ones((8, 8, 1)))
    cv2.imwrite(str(folder / 'a.png'), squares.astype(np.uint8))
    return str(folder)


def config(work_dir, pictures, steps):
    cfg = load_config(str(ROOT / 'configs/cdvd_lite.py'))
    cfg.work_dir = str(work_dir)
    cfg.merge_from_dict({
        'model.generator.channels': (8, 12, 16), 'train_cfg.max_iters': steps,
        'train_cfg.total_batch_size': 4, 'train_dataloader.batch_size': 4,
        'train_dataloader.num_workers': 0, 'train_dataloader.persistent_workers': False,
        'train_dataloader.dataset.pictures': [pictures], 'train_dataloader.dataset.film_size': 48,
        'train_dataloader.dataset.crop_size': 32, 'train_dataloader.dataset.films_at_once': 4,
        'default_hooks.checkpoint.interval': 3})
    cfg.param_scheduler = [dict(type='LinearLR', by_epoch=False, start_factor=0.5, end=4)]
    return cfg


def checkpoint(work_dir, step):
    return torch.load(work_dir / f'iter_{step}.pth', weights_only=False)


def test_it_goes_on_exactly_with_its_averaged_weights(pictures, tmp_path):
    train(config(tmp_path / 'whole', pictures, 6))
    train(config(tmp_path / 'halves', pictures, 3))
    train(config(tmp_path / 'halves', pictures, 6), resume='auto')
    whole, halves = (checkpoint(tmp_path / name, 6) for name in ('whole', 'halves'))
    averaged, trained = whole['state_dict'], whole['ema_state_dict']
    for name, value in averaged.items():
        assert torch.equal(value, halves['state_dict'][name])
        if value.is_floating_point():  # MMEngine stores the average under the plain name
            name = f'module.{name}'
            assert torch.equal(trained[name], halves['ema_state_dict'][name])
    last = 'generator.conv_last.weight'
    assert averaged[last].abs().max() > 0
    assert not torch.equal(averaged[last], trained[f'module.{last}'])
