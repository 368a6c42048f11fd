"""Nothing that is read in is executed: weights by address, configs in YAML."""

import http.server
import os
import threading

import pytest
import torch
from mmengine.config import Config
from mmengine.fileio import load
from mmengine.registry import DefaultScope
from mmengine.runner.checkpoint import CheckpointLoader
from mmengine.runner.checkpoint import load_checkpoint as load_into
from torch import nn

from cdvd_mm.engine.config import load_config
from cdvd_mm.registry import MODELS


class _Harm:

    def __reduce__(self):
        return os.mkdir, ('harm', )


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working folder, and a hub of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'torch'))
    return tmp_path


@pytest.fixture
def address(here):
    """Address of a server of the working folder."""
    served = here / 'served'
    served.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):

        def __init__(self, *args):
            super().__init__(*args, directory=str(served))

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f'http://127.0.0.1:{server.server_port}'
    server.shutdown()
    server.server_close()


def test_weights_by_address(here, address):
    torch.save(dict(state_dict={'weight': torch.ones(1, 1), 'bias': torch.ones(1)}),
               here / 'served/good.pth')
    layer = nn.Linear(1, 1)
    load_into(layer, f'{address}/good.pth?x=1', map_location='cpu', strict=True)
    assert layer.bias.item() == 1
    (here / 'served/good.pth').unlink()  # taken from where it was put
    assert 'state_dict' in CheckpointLoader.load_checkpoint(f'{address}/good.pth')


@pytest.mark.parametrize('legacy', [False, True])
def test_a_hostile_file_behind_an_address(here, address, legacy):
    torch.save(dict(state_dict=_Harm()), here / 'served/harm.pth',
               _use_new_zipfile_serialization=not legacy)
    with pytest.raises(ValueError, match='cannot read checkpoint .*harm.pth'):
        CheckpointLoader.load_checkpoint(f'{address}/harm.pth')
    assert not (here / 'harm').exists()


def test_what_cannot_be_downloaded(here, address):
    for name in ('absent.pth', ''):
        with pytest.raises(ValueError, match='cannot be downloaded|names no file'):
            CheckpointLoader.load_checkpoint(f'{address}/{name}')


@pytest.mark.parametrize('name', [
    'modelzoo://resnet50', 'torchvision://resnet50', 'open-mmlab://x', 'openmmlab://x', 'mmcls://x',
    's3://bucket/x.pth', 'petrel:s3://bucket/x.pth', 'pavi://x'])
def test_other_schemes_are_refused(name):
    with pytest.raises(ValueError, match='weights are not loaded from .*download the file'):
        CheckpointLoader.load_checkpoint(name)


def test_no_loader_of_the_parent_is_left():
    assert all(getattr(loader, '__module__', 'cdvd_mm').startswith(('cdvd_mm', 'functools'))
               for loader in CheckpointLoader._schemes.values())


def test_pretrained_says_where_nothing_fits(here):
    torch.save(dict(state_dict={'other': torch.ones(1)}), 'x.pth')
    init = dict(type='Pretrained', checkpoint='x.pth')
    net = MODELS.build(dict(type='WindowUNet', init_cfg=init))
    with DefaultScope.overwrite_default_scope('cdvd_mm'):
        with pytest.raises(ValueError, match='not one weight of x.pth belongs to WindowUNet'):
            net.init_weights()
    weights = {f'generator.{name}': torch.ones_like(value)
               for name, value in net.state_dict().items()}
    torch.save(dict(state_dict=weights), 'y.pth')
    net = MODELS.build(dict(type='WindowUNet', init_cfg=dict(
        type='Pretrained', checkpoint='y.pth', prefix='generator')))
    with DefaultScope.overwrite_default_scope('cdvd_mm'):
        net.init_weights()
    assert all(bool((value == 1).all()) for value in net.state_dict().values())


HARM = '!!python/object/apply:os.mkdir [harm]'


@pytest.mark.parametrize('suffix', ['.yml', '.yaml'])
def test_yaml_is_plain_data(here, suffix):
    config = here / f'config{suffix}'
    config.write_text(f'model: {{type: X}}\ntrain_cfg: {HARM}\n')
    for read in (load_config, Config.fromfile, load):
        with pytest.raises(ValueError, match='no YAML of plain data: .*os.mkdir'):
            read(str(config))
    base = here / f'base{suffix}'
    config.rename(base)
    config.write_text(f'_base_: ./{base.name}\n')
    (here / 'config.py').write_text(f'_base_ = "./{base.name}"\n')
    for name in (config.name, 'config.py'):
        with pytest.raises(ValueError, match='no YAML of plain data'):
            load_config(name)
    assert not (here / 'harm').exists()
    config.write_text('model: {type: X, sizes: [1, 2.5]}\nwork_dir: there\n')
    assert load_config(str(config)).model.sizes == [1, 2.5]
