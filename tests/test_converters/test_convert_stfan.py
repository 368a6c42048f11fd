import pytest
import torch

from cdvd_mm.converters import convert
from cdvd_mm.converters.common import exchange_colours
from cdvd_mm.converters.stfan import (
    FIRST,
    LAST,
    MODULES,
    _original_name,
    convert_stfan_state_dict,
)
from cdvd_mm.models.backbones.stfan_net import STFANNet


def original_state(network):
    # the authors' layers see BGR
    state = exchange_colours(network.state_dict(), FIRST, LAST)
    return {_original_name(key): value for key, value in state.items()}


def test_round_trip_with_module_prefix(tmp_path):
    network = STFANNet()
    original = {'module.' + key: value for key, value in original_state(network).items()}
    torch.save({'deblurnet_state_dict': original, 'epoch': 3}, tmp_path / 'a.pth.tar')
    convert('stfan', str(tmp_path / 'a.pth.tar'), str(tmp_path / 'new' / 'b.pth'))
    state = torch.load(tmp_path / 'new' / 'b.pth', weights_only=True)['state_dict']
    assert all(key.startswith('generator.') for key in state)
    for key, value in network.state_dict().items():
        assert torch.equal(state['generator.' + key], value)


def test_every_module_is_named():
    assert len(set(MODULES.values())) == len(MODULES)


def test_missing_and_left_over_are_named():
    state = original_state(STFANNet())
    state['stranger.weight'] = state.pop('img_prd.0.bias')
    with pytest.raises(ValueError, match=r'missing \(1\): img_prd.0.bias.*'
                       r'left over \(1\): stranger.weight'):
        convert_stfan_state_dict(state)
