import pytest
import torch

from cdvd_mm.converters import convert
from cdvd_mm.converters.edvr import _original_name, convert_edvr_state_dict
from cdvd_mm.models.backbones.edvr_deblur_net import EDVRDeblurNet


@pytest.fixture(scope='module')
def large():
    """The form of the published numbers, cut down to what is quick to build."""
    return EDVRDeblurNet(mid_channels=16, num_blocks_reconstruction=3)


def original_state(network):
    return {_original_name(key): value for key, value in network.state_dict().items()}


def test_form_is_read_off_the_checkpoint(large, tmp_path):
    torch.save({'params': original_state(large)}, tmp_path / 'a.pth')
    convert('edvr', str(tmp_path / 'a.pth'), str(tmp_path / 'b.pth'))
    state = torch.load(tmp_path / 'b.pth', weights_only=True)['state_dict']
    for key, value in large.state_dict().items():
        assert torch.equal(state['generator.' + key], value)


def test_super_resolution_form_is_refused(large):
    state = {key: value for key, value in original_state(large).items()
             if not key.startswith('predeblur')}
    with pytest.raises(ValueError, match=r'missing \(\d+\): predeblur'):
        convert_edvr_state_dict(state)
    with pytest.raises(ValueError, match='missing'):
        convert_edvr_state_dict({'conv_first.weight': torch.zeros(64, 3, 3, 3)})
