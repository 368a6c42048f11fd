import json

import pytest
import torch

from cdvd_mm.converters import convert
from cdvd_mm.converters.cdvd_nl import (
    FRAME_BY_FRAME,
    _original_name,
    convert_cdvd_nl_state_dict,
)
from cdvd_mm.models.backbones.cdvd_net_nl import CDVDNetNL


@pytest.fixture(scope='module')
def ours():
    return CDVDNetNL().state_dict()


@pytest.fixture
def original(ours):
    """As the authors' file has it: all weights that see one frame are 3-D."""
    state = {_original_name(key): value for key, value in ours.items()}
    return {key: value.unsqueeze(2) if key.startswith(FRAME_BY_FRAME) and value.ndim == 4 else value
            for key, value in state.items()}


def test_names_are_the_authors(shared, original):
    expected = json.loads((shared / 'reference' / 'cdvd_tspnl_state_dict.json').read_text())
    assert {key: list(value.shape) for key, value in original.items()} == expected


def test_round_trip(tmp_path, ours, original):
    torch.save({'params': original}, tmp_path / 'a.pth')
    convert('cdvd-tspnl', str(tmp_path / 'a.pth'), str(tmp_path / 'b.pth'))
    state = torch.load(tmp_path / 'b.pth', weights_only=True)['state_dict']
    assert state.keys() == {f'generator.{key}' for key in ours}
    assert all(torch.equal(state[f'generator.{key}'], value) for key, value in ours.items())


def test_what_does_not_fit_is_named(original):
    original['stranger.weight'] = original.pop('srn.outBlock_post.0.bias')
    # sees three frames: no kernel of this network
    original['fusion.weight'] = original['fusion.weight'].expand(-1, -1, 3, -1, -1)
    with pytest.raises(ValueError, match=r'missing \(1\): srn.outBlock_post.0.bias.*left over '
                       r'\(1\): stranger.weight.*another shape \(1\): fusion.weight'):
        convert_cdvd_nl_state_dict(original)
