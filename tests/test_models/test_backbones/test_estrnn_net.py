import numpy as np
import pytest
import torch
from reference import load_reference, to_clip

from cdvd_mm.bench.macs import count_macs
from cdvd_mm.converters.estrnn import convert_estrnn_state_dict
from cdvd_mm.models.backbones.estrnn_net import ESTRNNNet


def assert_close(found, expected):
    """Rounding noise of any implementation: mean 3.4e-7, maximum 2.3e-6."""
    error = np.abs(found.detach().cpu().numpy() - expected)
    assert error.mean() < 1e-6 and error.max() < 3e-5, (error.mean(), error.max())


@pytest.fixture(scope='module')
def released(shared):
    """Arrays of the reference, the network with its weights."""
    arrays, weights = load_reference(shared, 'estrnn')
    network = ESTRNNNet().eval()
    network.load_state_dict(convert_estrnn_state_dict(
        {name.removeprefix('module.model.'): value for name, value in weights.items()}))
    return arrays, network


@torch.no_grad()
def test_as_its_authors_feed_it(released, device):
    """Centred BGR there, RGB in [0, 1] here: the same pictures."""
    arrays, network = released
    restored = network.to(device)(to_clip(arrays['frames']).to(device))
    network.cpu()
    if device == 'cpu':
        assert_close(restored[0], arrays['outputs_centred'])
    assert np.abs(restored[0].cpu().numpy() - arrays['outputs_centred']).mean() < 1e-5


@torch.no_grad()
def test_bare_network_and_its_steps(released):
    """The reference gave RGB to weights that see BGR: here that is a clip turned around."""
    arrays, network = released
    bare = ESTRNNNet(shift=0.).eval()
    bare.load_state_dict(network.state_dict())
    calls = {'down1': [], 'down2': [], 'cell': [], 'gate': [], 'attention': []}
    for name, module in [('down1', bare.cell.encoder[1]), ('down2', bare.cell.encoder[2]),
                         ('cell', bare.cell), ('gate', bare.attention.gate),
                         ('attention', bare.attention)]:
        module.register_forward_hook(lambda _, inputs, output, name=name:
                                     calls[name].append(output))
    restored = bare(to_clip(arrays['frames']).flip(2)).flip(2)
    assert_close(restored[0], arrays['outputs'])
    assert_close(calls['down1'][0][0], arrays['b1_0'])
    assert_close(calls['down2'][0][0], arrays['b2_0'])
    assert_close(calls['cell'][0][0][0], arrays['h_0'])
    assert_close(calls['cell'][0][1][0], arrays['s_0'])
    assert_close(calls['cell'][-1][0][0], arrays['h_last'])
    assert_close(calls['cell'][-1][1][0], arrays['s_last'])
    assert_close(torch.cat(calls['gate'][:4]), arrays['gates_first'])
    assert_close(calls['attention'][0][0], arrays['gsa_first'])


def test_size_of_the_default_form():
    """2,467,931 parameters; 12.85 GMACs a frame of 256x256 that takes every step once."""
    network = ESTRNNNet()
    assert sum(p.numel() for p in network.parameters()) == 2_467_931
    few, more = (count_macs(network, torch.zeros(1, t, 3, 64, 64)).total for t in (5, 6))
    assert (more - few) * 16 / 1e9 == pytest.approx(12.85, rel=0.01)


def small(**options):
    return ESTRNNNet(mid_channels=2, num_blocks=1, **options)


@pytest.mark.parametrize('shape', [(1, 5, 3, 8, 12), (2, 6, 3, 9, 7), (1, 5, 3, 1, 2)])
def test_any_size(shape):
    with torch.no_grad():
        restored = small().eval()(torch.rand(shape))
    assert restored.shape == (shape[0], shape[1] - 4, *shape[2:])
    assert torch.isfinite(restored).all()


@torch.no_grad()
def test_fed_frame_by_frame():
    """What streaming relies on: encode each frame once, restore every window."""
    network = small(context=1).eval()
    frames = torch.rand(1, 4, 3, 8, 8)
    features, state = [], None
    for frame in frames.unbind(1):
        encoded, state = network.encode(frame, state)
        features.append(encoded)
    expected = network(frames)
    assert expected.shape[1] == 2
    for index in range(2):
        torch.testing.assert_close(network.restore(features[index:index + 3]), expected[:, index])


def test_the_past_counts_and_two_frames_of_the_future():
    network = small().double()
    frames = torch.rand(1, 8, 3, 8, 8, dtype=torch.double, requires_grad=True)
    gradient, = torch.autograd.grad(network(frames)[:, 1].sum(), frames)  # frame 3
    seen = gradient.abs().sum(dim=(0, 2, 3, 4)) > 0
    assert seen.tolist() == 6 * [True] + 2 * [False]


def test_every_parameter_learns():
    network = small()
    network(torch.rand(1, 6, 3, 8, 8)).square().mean().backward()
    assert not [name for name, p in network.named_parameters()
                if p.grad is None or not p.grad.abs().sum() > 0]


@pytest.mark.parametrize('shape, message', [((1, 4, 3, 8, 8), '5 frames or more, not of 4'),
                                            ((5, 3, 8, 8), r'RGB clips \(n, t, 3, h, w\)')])
def test_wrong_use(shape, message):
    with pytest.raises(ValueError, match=message):
        small()(torch.zeros(shape))
