"""Every converter says which colour order its network was trained in, and acts on it."""

import pytest
import torch

from cdvd_mm.converters import (
    CONVERTERS,
    cdvd_nl,
    cdvd_tsp,
    dstnet_plus,
    edvr,
    estrnn,
    pwcnet,
    raft_small,
    stfan,
)
from cdvd_mm.converters.common import exchange_colours
from cdvd_mm.models.backbones import (
    CDVDNet,
    CDVDNetNL,
    DSTNetPlus,
    EDVRDeblurNet,
    ESTRNNNet,
    STFANNet,
)
from cdvd_mm.models.flow_estimators.mmflow_estimator import RAFT_SMALL, build_network

#: How to make an authors' checkpoint of a fresh network, its converter, and our names of the layers
#: that read pictures and that write them.
NETWORKS = {
    'cdvd-tsp': (CDVDNet, cdvd_tsp._original_name, cdvd_tsp.convert_cdvd_tsp_state_dict,
                 ['flow_estimator.estimator.' + pwcnet.FIRST_CONV,
                  'reconstruction.in_block.0.0'], ['reconstruction.out_block.3']),
    'cdvd-tspnl': (CDVDNetNL, cdvd_nl._original_name, cdvd_nl.convert_cdvd_nl_state_dict,
                   ['flow_estimator.estimator.basic_module.0.basic_module.0.conv', 'extractor.0'],
                   ['reconstruction.out_block.1']),
    'dstnet-plus': (lambda: DSTNetPlus(mid_channels=4, num_filter_blocks=1, num_blocks=1),
                    dstnet_plus._original_name, dstnet_plus.convert_dstnet_plus_state_dict,
                    ['feat_extract'], ['reconstruction']),
    'edvr': (lambda: EDVRDeblurNet(mid_channels=8, num_blocks_reconstruction=1),
             edvr._original_name, edvr.convert_edvr_state_dict,
             ['pre_deblur.to_level1.0.0'], ['conv_last']),
    'estrnn': (lambda: ESTRNNNet(mid_channels=2, num_blocks=2), estrnn._original_name,
               estrnn.convert_estrnn_state_dict, ['cell.encoder.0'], ['decoder.2']),
    'pwcnet': (build_network, pwcnet.authors_name, pwcnet.convert_pwcnet_state_dict,
               [pwcnet.FIRST_CONV], []),
    'raft-small': (lambda: build_network(RAFT_SMALL), raft_small._original_name,
                   raft_small.convert_raft_small_state_dict,
                   ['encoder.conv1', 'context.conv1'], []),
    'stfan': (STFANNet, stfan._original_name, stfan.convert_stfan_state_dict,
              ['kernel_encoder.0.0.0', 'frame_encoder.0.0.0'], ['decoder.2.0']),
}


@pytest.mark.parametrize('name', CONVERTERS)
def test_colour_layers_are_turned_around_where_it_is_bgr(name):
    make, original_name, convert, first, last = NETWORKS[name]
    ours = make().state_dict()
    original = {original_name(key): value for key, value in ours.items()}
    converted = convert(original)
    for key, value in converted.items():
        colour_axis = 1 if key in [f'{layer}.weight' for layer in first] else \
            0 if key.rpartition('.')[0] in last else None
        expected = ours[key]
        if CONVERTERS[name].trained_on == 'bgr' and colour_axis is not None:
            # pictures one behind the other, the channels of each in reverse order
            pictures = expected.split(3, dim=colour_axis)
            expected = torch.cat([p.flip(colour_axis) for p in pictures], dim=colour_axis)
            assert not torch.equal(value, ours[key])
        assert torch.equal(value, expected), key
    assert CONVERTERS[name].trained_on in ('rgb', 'bgr')
    assert CONVERTERS[name].trained_on.upper() in (convert.__doc__ or '')


@pytest.mark.parametrize('name', CONVERTERS)
def test_table_leads_to_the_function(name):
    assert CONVERTERS[name].load() is NETWORKS[name][2]


def test_exchanged_twice_is_the_same():
    state = torch.nn.Sequential(torch.nn.Conv2d(9, 2, 3), torch.nn.Conv2d(2, 3, 1)).state_dict()
    once = exchange_colours(state, ['0'], ['1'])
    assert torch.equal(once['0.weight'][:, :3], state['0.weight'][:, [2, 1, 0]])
    assert torch.equal(once['1.bias'], state['1.bias'][[2, 1, 0]])
    twice = exchange_colours(once, ['0'], ['1'])
    assert all(torch.equal(twice[key], state[key]) for key in state)
