import json
import runpy

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from cdvd_mm.bench.macs import count_macs
from cdvd_mm.converters.dstnet_plus import convert_dstnet_plus_state_dict
from cdvd_mm.models.backbones.dstnet_plus import DSTNetPlus, HaarTransform

#: mid_channels, num_filter_blocks, num_blocks; parameters and GMACs at 256x256 as published
FORMS = {
    'base': ((64, 3, 15), 3_903_811, 44.65),
    'large': ((96, 5, 25), 14_088_675, 158.2),
    'small': ((48, 2, 10), 1_530_000, 17.9),
    'tiny': ((32, 2, 8), 610_000, 6.8),
}


def build(form):
    return DSTNetPlus(**dict(zip(('mid_channels', 'num_filter_blocks', 'num_blocks'),
                                 FORMS[form][0])))


def small():
    return DSTNetPlus(mid_channels=4, num_filter_blocks=1, num_blocks=1)


@pytest.fixture(scope='module')
def released(shared):
    """The reference file's arrays, and the network with its weights."""
    folder = shared / 'reference'
    with np.load(folder / 'dstnet_plus.npz') as file:
        arrays = dict(file)
    fill = runpy.run_path(str(folder / 'reference_weights.py'))['fill']
    shapes = json.loads((folder / 'dstnet_plus_state_dict.json').read_text())
    weights = fill(shapes, str(arrays['salt']), json.loads(str(arrays['overrides'])))
    weights.update({key[6:]: arrays[key] for key in arrays if key.startswith('const/')})
    network = DSTNetPlus()
    network.load_state_dict(convert_dstnet_plus_state_dict(
        {key: torch.from_numpy(value) for key, value in weights.items()}))
    return arrays, network.eval()


def test_released_network(released, device):
    """Outputs within five times the noise of the reference: mean 1.6e-7, maximum 2.8e-6."""
    arrays, network = released
    frames = torch.from_numpy(arrays['frames']).permute(0, 3, 1, 2)[None].to(device) / 255
    with torch.no_grad():
        restored = network.to(device)(frames)[0].cpu().numpy()
    error = np.abs(restored - arrays['outputs'])
    assert error.mean() < 5 * 1.6e-7 and error.max() < 3e-5


@torch.no_grad()
def test_released_features(released):
    arrays, network = released
    network.cpu()
    frames = torch.from_numpy(arrays['frames']).permute(0, 3, 1, 2)[:, None] / 255
    bands = [network.analyse(frame) for frame in frames]
    lows = [low for low, _ in bands]
    found = {'haar_low_0': lows[0], 'haar_high_0': bands[0][1]}

    step = network.backward_step
    found['fused_last'] = step.fusion(lows[-1], torch.zeros_like(lows[-1]))
    found['filtered_last'] = step.filter(found['fused_last'])
    found['backward_last'] = step.blocks(found['filtered_last'])
    state = None
    for index in reversed(range(len(lows))):
        lows[index] = state = step(lows[index], state)
    found['backward_0'] = lows[0]
    state = None
    for low in lows:
        state = network.forward_step(low, state)
    found['forward_last'] = state

    for name, value in found.items():
        expected = arrays[name]
        error = np.abs(value[0].numpy() - expected).mean()
        assert error < 1e-5 * max(1., np.abs(expected).mean()), f'{name}: {error}'


@pytest.mark.parametrize('form', FORMS)
def test_parameters_and_macs_as_published(form):
    _, published, gmacs = FORMS[form]
    network = build(form)
    number = sum(p.numel() for p in network.parameters())
    if form in ('base', 'large'):
        assert number == published
    else:  # published with three digits
        assert number == pytest.approx(published, rel=5e-3)
    frame = torch.rand(1, 1, 3, 64, 64)  # a sixteenth of 256x256
    counted = count_macs(network, frame).total
    again = count_macs(network.analyse, frame[0]).total  # done twice without gradients: 0.3-1 %
    assert 16e-9 * (counted - again) == pytest.approx(gmacs, rel=3e-3)


def test_haar_filters_are_frozen():
    learned = sum(p.numel() for p in DSTNetPlus().parameters() if p.requires_grad)
    assert learned == 3_903_811 - 1024


def test_haar_by_hand(device):
    haar = HaarTransform(2).to(device)
    x = torch.zeros(1, 2, 2, 2, device=device)
    x[0, 1] = torch.tensor([[1., 2.], [3., 6.]])
    low, details = haar.analyse(x)
    assert low.flatten().tolist() == [0, 3]
    # columns, rows, diagonals; of both channels each
    assert details.flatten().tolist() == [0, -1, 0, -1.5, 0, .5]
    x = torch.rand(2, 2, 6, 8, device=device)
    torch.testing.assert_close(haar.synthesise(*haar.analyse(x)), x)


def test_any_size_and_length(device):
    network = small().to(device)
    for shape in ((1, 1, 3, 15, 17), (2, 2, 3, 7, 3), (1, 3, 3, 16, 22)):
        with torch.no_grad():
            assert network(torch.rand(shape, device=device)).shape == shape
    frames = torch.rand(1, 2, 3, 17, 19, device=device)
    with torch.no_grad():
        reflected = F.pad(frames[0], (0, 1, 0, 1), mode='reflect')[None]
        torch.testing.assert_close(network(frames), network(reflected)[..., :17, :19])
    with pytest.raises(ValueError, match=r'\(n, t, c, h, w\)'):
        network(frames[0])


def test_with_gradients_as_without(device):
    """Details are kept with gradients and computed anew without: the same numbers."""
    network = small().to(device)
    frames = torch.rand(1, 3, 3, 16, 18, device=device)
    with torch.no_grad():
        plain = network(frames)
    restored = network(frames)
    torch.testing.assert_close(restored, plain, rtol=0, atol=1e-7)
    restored.sum().backward()
    assert all(p.grad is not None for p in network.parameters() if p.requires_grad)


def test_first_frame_sees_the_last(device):
    network = small().to(device).double()
    frames = torch.rand(1, 4, 3, 16, 16, device=device, dtype=torch.float64, requires_grad=True)
    for index, seen in ((0, 3), (3, 0)):
        grad, = torch.autograd.grad(network(frames)[:, index].sum(), frames)
        assert grad[:, seen].abs().sum() > 0
