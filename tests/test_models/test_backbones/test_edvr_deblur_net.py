import json
import runpy

import numpy as np
import pytest
import torch

from cdvd_mm.converters.edvr import convert_edvr_state_dict
from cdvd_mm.models.backbones.edvr_deblur_net import EDVRDeblurNet


def small(**options):
    options = {'mid_channels': 8, 'num_frames': 3, 'deform_groups': 2,
               'num_blocks_extraction': 1, 'num_blocks_reconstruction': 1, **options}
    return EDVRDeblurNet(**options)


def test_reference(shared, device):
    """Mean error 1.5e-7 on CPU, 1e-6 at most."""
    folder = shared / 'reference'
    fill = runpy.run_path(str(folder / 'reference_weights.py'))['fill']
    shapes = json.loads((folder / 'edvr_deblur_state_dict.json').read_text())
    with np.load(folder / 'edvr_deblur.npz') as reference:
        frames, output = reference['frames'], reference['output']
        weights = fill(shapes, str(reference['salt']), json.loads(str(reference['overrides'])))
    network = EDVRDeblurNet().to(device).eval()
    network.load_state_dict(
        convert_edvr_state_dict({key: torch.from_numpy(value) for key, value in weights.items()}))
    frames = torch.from_numpy(frames).to(device).permute(0, 3, 1, 2)[None] / 255
    with torch.no_grad():
        restored = network(frames)[0].cpu().numpy()
    assert np.abs(restored - output).mean() < 1e-5


@pytest.mark.parametrize('options, millions', [
    ({}, 4.04),  # the form of the reference
    ({'mid_channels': 128, 'num_blocks_reconstruction': 40}, 23.6),  # the published form
])
def test_parameters(options, millions):
    with torch.device('meta'):
        network = EDVRDeblurNet(**options)
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(millions, abs=0.01)


@pytest.mark.parametrize('with_tsa', [True, False])
def test_trains(device, with_tsa):
    network = small(with_tsa=with_tsa).to(device)
    network.init_weights()
    frames = torch.rand(2, 3, 3, 16, 32, device=device)
    output = network(frames)
    assert output.shape == (2, 3, 16, 32)
    output.mean().backward()
    assert all(p.grad is not None for p in network.parameters())


def test_sees_all_frames():
    network = small()
    frames = torch.rand(1, 3, 3, 16, 16, requires_grad=True)
    grad = torch.autograd.grad(network(frames).sum(), frames)[0]
    assert (grad.abs().sum(dim=(0, 2, 3, 4)) > 0).all()


@pytest.mark.parametrize('shape, message', [
    ((1, 3, 3, 24, 16), 'multiples of 16'),
    ((1, 5, 3, 16, 16), r'\(n, 3, c, h, w\)'),
])
def test_wrong_frames(shape, message):
    with pytest.raises(ValueError, match=message):
        small()(torch.zeros(shape))


@pytest.mark.parametrize('options, message', [
    ({'num_frames': 4}, 'odd'),
    ({'mid_channels': 9}, 'multiple of deform_groups'),
])
def test_wrong_options(options, message):
    with pytest.raises(ValueError, match=message):
        small(**options)
