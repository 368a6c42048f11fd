"""A reference run that the others are compared with."""

import pytest
import torch
from mmengine.registry import DefaultScope
from tiny_training import make_data, tiny_config, train

ITERS = 20


@pytest.fixture(scope='session')
def tiny_data(tmp_path_factory):
    return make_data(tmp_path_factory.mktemp('tiny') / 'data')


@pytest.fixture(scope='session')
def undisturbed(tiny_data, tmp_path_factory):
    """Last checkpoint of 20 undisturbed steps."""
    work_dir = tmp_path_factory.mktemp('undisturbed')
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    train(tiny_config(tiny_data, work_dir, ITERS))
    torch.set_num_threads(threads)
    return work_dir / f'iter_{ITERS}.pth'


@pytest.fixture(autouse=True)
def one_thread():
    """Sums in another order differ in the last bit."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with DefaultScope.overwrite_default_scope('cdvd_mm'):
        yield
    torch.set_num_threads(threads)
