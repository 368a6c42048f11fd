import json

import pytest
import torch

from cdvd_mm.converters import convert
from cdvd_mm.converters.cdvd_tsp import _original_name, convert_cdvd_tsp_state_dict
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
    convert('cdvd-tsp', str(tmp_path / 'CDVD_TSP_GOPRO.pt'), str(tmp_path / 'new' / 'cdvd.pth'))
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
