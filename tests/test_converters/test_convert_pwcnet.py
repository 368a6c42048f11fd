import json

import pytest
import torch

from cdvd_mm.converters import convert
from cdvd_mm.converters.cdvd_tsp import _original_name
from cdvd_mm.converters.common import exchange_colours
from cdvd_mm.converters.pwcnet import (
    FIRST_CONV,
    authors_name,
    convert_pwcnet_state_dict,
    fold_correlation,
    module_name,
)
from cdvd_mm.models.backbones import CDVDNet
from cdvd_mm.models.flow_estimators import MMFlowEstimator
from cdvd_mm.models.flow_estimators.mmflow_estimator import PWCNET


@pytest.fixture(scope='module')
def state():
    return MMFlowEstimator().estimator.state_dict()


def renamed(state, name, prefix=''):
    return {prefix + name(key): value for key, value in state.items()}


def authors(state):
    unused = {'deconv2.weight': torch.zeros(2, 2, 4, 4), 'deconv2.bias': torch.zeros(2)}
    return {**renamed(state, authors_name), **unused}


def turn_channels(state):
    return exchange_colours(state, first=[FIRST_CONV])


def assert_same(a, b):
    assert a.keys() == b.keys()
    for key in a:
        assert torch.equal(a[key], b[key]), key


@pytest.mark.parametrize('prefix', ['', 'flow_net.moduleNetwork.', 'net.'])
def test_module_form(prefix, state):
    assert_same(convert_pwcnet_state_dict(renamed(state, module_name, prefix)), state)


def test_flow_network_of_a_whole_cdvd_tsp():
    network = CDVDNet()
    whole = {_original_name(key): value for key, value in network.state_dict().items()}
    assert_same(convert_pwcnet_state_dict(whole), network.flow_estimator.estimator.state_dict())


def test_names_of_the_authors_file(shared, state):
    shapes = json.loads((shared / 'reference' / 'pwcnet_authors_state_dict.json').read_text())
    assert {key: list(value.shape) for key, value in authors(state).items()} == shapes


def test_authors_form_was_trained_on_bgr(state):
    """Turned into an RGB network it gives, on RGB, the flow of the original on BGR."""
    converted = convert_pwcnet_state_dict(authors(state))
    assert_same(turn_channels(converted), state)
    rgb, bgr = MMFlowEstimator(), MMFlowEstimator(channel_order='bgr')
    rgb.estimator.load_state_dict(converted)
    bgr.estimator.load_state_dict(state)
    frames = torch.rand(2, 1, 3, 64, 64)
    with torch.no_grad():
        expected = bgr(*frames)
        # the sums run in another order: rounding, in pixels, far below what a wrong order does
        torch.testing.assert_close(rgb(*frames), expected, rtol=0, atol=1e-4)
        rgb.estimator.load_state_dict(state)
        assert (rgb(*frames) - expected).abs().max() > 1e-2
    assert_same(convert_pwcnet_state_dict(authors(state), channel_order='rgb'), state)


def test_mmflow_form(state, tmp_path):
    """As it is, unless MMFlow's own training (BGR, summed correlation) wrote it."""
    assert_same(convert_pwcnet_state_dict(state), state)
    source, target = str(tmp_path / 'mmflow.pth'), str(tmp_path / 'ours.pth')
    torch.save({'state_dict': state, 'meta': {'mmcv_version': '1.4.2'}}, source)
    expected = fold_correlation(turn_channels(state))
    assert_same(convert('pwcnet', source, target), expected)
    assert_same(convert('pwcnet', target, target), expected)  # what we wrote stays as it is


def test_folded_correlation_equals_a_sum(state):
    network = {**PWCNET, 'decoder': {**PWCNET['decoder'], 'scaled': False}}
    summed, averaged = MMFlowEstimator(network).eval(), MMFlowEstimator().eval()
    summed.estimator.load_state_dict(state)
    averaged.estimator.load_state_dict(fold_correlation(state))
    frames = torch.rand(2, 1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(averaged(*frames), summed(*frames), rtol=1e-3, atol=1e-4)


def test_result_is_loaded_by_the_estimator(state, tmp_path):
    source, target = str(tmp_path / 'network-default.pytorch'), str(tmp_path / 'pwcnet.pth')
    torch.save(renamed(state, module_name), source)
    convert('pwcnet', source, target)
    estimator = MMFlowEstimator(init_cfg={'type': 'Pretrained', 'checkpoint': target})
    estimator.init_weights()
    assert_same(estimator.estimator.state_dict(), state)


def test_refused(state):
    truncated = authors(state)
    truncated['more'] = truncated.pop('dc_conv7.bias')
    with pytest.raises(ValueError, match=r'missing \(1\): dc_conv7.bias.*left over \(1\): more'):
        convert_pwcnet_state_dict(truncated)
    mixed = renamed(state, module_name, 'net.')
    mixed['moduleSix.moduleOne.0.bias'] = mixed.pop('net.moduleSix.moduleOne.0.bias')
    with pytest.raises(ValueError, match=r'missing \(1\): net.moduleSix.*left over \(1\): module'):
        convert_pwcnet_state_dict(mixed)
    with pytest.raises(ValueError, match='no checkpoint of PWC-Net.*found 1 keys: conv1.weight'):
        convert_pwcnet_state_dict({'conv1.weight': torch.zeros(1)})
    with pytest.raises(ValueError, match="'grb'.*rgb"):
        convert_pwcnet_state_dict(state, channel_order='grb')
