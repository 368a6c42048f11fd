import json

import pytest
import torch

from cdvd_mm.converters import convert
from cdvd_mm.converters.dstnet_plus import (
    _original_name,
    convert_dstnet_plus_state_dict,
)
from cdvd_mm.models.backbones.dstnet_plus import DSTNetPlus

SMALL = dict(mid_channels=4, num_filter_blocks=2, num_blocks=3)


def original_state():
    return {_original_name(key): value for key, value in DSTNetPlus(**SMALL).state_dict().items()}


@pytest.mark.parametrize('name, form', [
    ('dstnet_plus', {}),
    ('dstnet_plus_large', dict(mid_channels=96, num_filter_blocks=5, num_blocks=25))])
def test_names_are_the_authors(shared, name, form):
    expected = json.loads((shared / 'reference' / f'{name}_state_dict.json').read_text())
    state = DSTNetPlus(**form).state_dict()
    assert {_original_name(key): list(value.shape) for key, value in state.items()} == expected


def test_round_trip_of_any_size(tmp_path):
    original = original_state()
    torch.save({'params': original}, tmp_path / 'a.pth')
    convert('dstnet-plus', str(tmp_path / 'a.pth'), str(tmp_path / 'b.pth'))
    state = torch.load(tmp_path / 'b.pth', weights_only=True)['state_dict']
    state = {key.removeprefix('generator.'): value for key, value in state.items()}
    DSTNetPlus(**SMALL).load_state_dict(state)
    for key, value in state.items():
        assert torch.equal(value, original[_original_name(key)])


def test_what_does_not_fit_is_named():
    state = original_state()
    state['stranger.weight'] = state.pop('recons.bias')
    with pytest.raises(ValueError, match=r'missing \(1\): recons.bias.*'
                       r'left over \(1\): stranger.weight'):
        convert_dstnet_plus_state_dict(state)
    state = original_state()
    state['wave.haar_weights'] = state['wave.haar_weights'] / 2
    with pytest.raises(ValueError, match="other filters than Haar's"):
        convert_dstnet_plus_state_dict(state)
    with pytest.raises(ValueError, match='DSTNet'):
        convert_dstnet_plus_state_dict({'a.weight': torch.zeros(1)})
