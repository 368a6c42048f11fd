import pytest
import torch

from cdvd_mm.converters import convert
from cdvd_mm.converters.raft_small import (
    _original_name,
    convert_raft_small_state_dict,
)
from cdvd_mm.models.flow_estimators import MMFlowEstimator
from cdvd_mm.models.flow_estimators.mmflow_estimator import RAFT_SMALL, build_network


def test_round_trip(tmp_path):
    network = build_network(RAFT_SMALL)
    original = {'module.' + _original_name(key): value
                for key, value in network.state_dict().items()}
    source, target = str(tmp_path / 'raft-small.pth'), str(tmp_path / 'ours.pth')
    torch.save(original, source)
    convert('raft-small', source, target)
    estimator = MMFlowEstimator(RAFT_SMALL, init_cfg={'type': 'Pretrained', 'checkpoint': target})
    estimator.init_weights()
    for key, value in network.state_dict().items():
        assert torch.equal(estimator.estimator.state_dict()[key], value)


def test_authors_file(shared, tmp_path):
    state = convert('raft-small', str(shared / 'weights' / 'raft-small.pth'),
                    str(tmp_path / 'a.pth'))
    assert sum(value.numel() for value in state.values()) == 990_162


def test_refused():
    state = {_original_name(key): value
             for key, value in build_network(RAFT_SMALL).state_dict().items()}
    state['more'] = state.pop('fnet.conv1.bias')
    with pytest.raises(ValueError, match=r'RAFT-small.*missing \(1\): fnet.conv1.bias.*'
                       r'left over \(1\): more'):
        convert_raft_small_state_dict(state)
