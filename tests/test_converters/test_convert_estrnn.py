import json

import pytest
import torch

from cdvd_mm.converters import convert
from cdvd_mm.converters.estrnn import _original_name, convert_estrnn_state_dict
from cdvd_mm.models.backbones.estrnn_net import ESTRNNNet

SMALL = dict(mid_channels=2, num_blocks=3)


def original_state():
    return {_original_name(key): value for key, value in ESTRNNNet(**SMALL).state_dict().items()}


def test_names_are_the_authors(shared):
    expected = json.loads((shared / 'reference' / 'estrnn_state_dict.json').read_text())
    assert {f'module.model.{_original_name(key)}': list(value.shape)
            for key, value in ESTRNNNet().state_dict().items()} == expected


def test_file_of_any_size(tmp_path):
    original = original_state()
    torch.save({'epoch': 500, 'state_dict': {f'module.model.{key}': value
                                             for key, value in original.items()}},
               tmp_path / 'model_best.pth.tar')
    convert('estrnn', str(tmp_path / 'model_best.pth.tar'), str(tmp_path / 'b.pth'))
    state = torch.load(tmp_path / 'b.pth', weights_only=True)['state_dict']
    state = {key.removeprefix('generator.'): value for key, value in state.items()}
    ESTRNNNet(**SMALL).load_state_dict(state)
    turned = [key for key, value in state.items()
              if not torch.equal(value, original[_original_name(key)])]
    assert turned == ['cell.encoder.0.weight', 'decoder.2.weight', 'decoder.2.bias']


def test_what_does_not_fit_is_named():
    state = original_state()
    state['stranger.weight'] = state.pop('fusion.condense.bias')
    with pytest.raises(ValueError, match=r'missing \(1\): fusion.condense.bias.*'
                       r'left over \(1\): stranger.weight'):
        convert_estrnn_state_dict(state)
    with pytest.raises(ValueError, match='ESTRNN'):
        convert_estrnn_state_dict({'a.weight': torch.zeros(1)})
