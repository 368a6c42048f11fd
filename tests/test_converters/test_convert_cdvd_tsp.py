import json
import runpy
import sys

import pytest
import torch

from cdvd_mm.converters.cdvd_tsp import (
    _original_name,
    convert_cdvd_tsp,
    convert_cdvd_tsp_state_dict,
)
from cdvd_mm.models.backbones import CDVDNet


@pytest.fixture(scope='module')
def network():
    return CDVDNet()


def original_state(network):
    return {_original_name(key): value for key, value in network.state_dict().items()}


def test_names_and_shapes_of_the_released_file(shared, network):
    shapes = json.loads((shared / 'reference' / 'cdvd_tsp_state_dict.json').read_text())
    assert {key: list(value.shape) for key, value in original_state(network).items()} == shapes


def test_loads_strictly_into_the_config(tmp_path, repo_root, network):
    from mmengine.config import Config

    from cdvd_mm.registry import MODELS
    original = {'module.' + key: value for key, value in original_state(network).items()}
    torch.save(original, tmp_path / 'CDVD_TSP_GOPRO.pt')
    convert_cdvd_tsp(str(tmp_path / 'CDVD_TSP_GOPRO.pt'), str(tmp_path / 'new' / 'cdvd.pth'))
    state = torch.load(tmp_path / 'new' / 'cdvd.pth', weights_only=True)['state_dict']
    model = MODELS.build(Config.fromfile(repo_root / 'configs' / 'cdvd_gopro.py').model)
    model.load_state_dict(state, strict=True)
    for key, value in network.state_dict().items():
        assert torch.equal(model.generator.state_dict()[key], value)


def test_missing_and_left_over_are_named(network):
    state = original_state(network)
    state['stranger.weight'] = state.pop('recons_net.outBlock.3.bias')
    with pytest.raises(ValueError, match=r'missing \(1\): recons_net.outBlock.3.bias.*'
                       r'left over \(1\): stranger.weight'):
        convert_cdvd_tsp_state_dict(state)


@pytest.mark.parametrize('name, code, message', [
    ('whole.pt', 0, ''), ('other.pt', 1, 'left over (1): a.weight'), ('torn.pt', 1, 'truncated'),
    ('text.pt', 1, 'cannot be read'), ('none.pt', 1, 'No checkpoint')])
def test_tool(name, code, message, tmp_path, repo_root, network, monkeypatch, capsys):
    torch.save(original_state(network), tmp_path / 'whole.pt')
    torch.save({'a.weight': torch.zeros(1)}, tmp_path / 'other.pt')
    (tmp_path / 'torn.pt').write_bytes((tmp_path / 'whole.pt').read_bytes()[:100_000])
    (tmp_path / 'text.pt').write_text('hello')
    tool = str(repo_root / 'tools' / 'model_converters' / 'convert_cdvd_tsp.py')
    target = tmp_path / 'converted.pth'
    monkeypatch.setattr(sys, 'argv', [tool, str(tmp_path / name), str(target)])
    with pytest.raises(SystemExit) as exit_:
        runpy.run_path(tool, run_name='__main__')
    assert exit_.value.code == code
    assert message in capsys.readouterr().err
    assert target.exists() == (code == 0)
    assert not list(tmp_path.glob('*.partial'))
