import json
import runpy

import numpy as np
import pytest
import torch

from cdvd_mm.converters.stfan import convert_stfan_state_dict
from cdvd_mm.models.backbones.stfan_net import STFANNet


def reference_weights(folder, name, salt, overrides):
    fill = runpy.run_path(str(folder / 'reference_weights.py'))['fill']
    shapes = json.loads((folder / f'{name}_state_dict.json').read_text())
    weights = fill(shapes, str(salt), json.loads(str(overrides)))
    return {key: torch.from_numpy(value) for key, value in weights.items()}


def test_released_network(shared, device):
    """The authors' network saw and gave BGR, what is converted RGB: channels are exchanged.

    Mean error of the three frames 1e-8, 3e-8 and 6e-8 on CPU.
    """
    folder = shared / 'reference'
    with np.load(folder / 'stfan.npz') as reference:
        frames, outputs = reference['frames'], reference['outputs']
        weights = reference_weights(folder, 'stfan', reference['salt'], reference['overrides'])
    network = STFANNet().to(device).eval()
    network.load_state_dict(convert_stfan_state_dict(weights))
    frames = torch.from_numpy(frames).to(device).permute(0, 3, 1, 2).flip(1)[None] / 255
    with torch.no_grad():
        restored = network(frames)[0].flip(1).cpu().numpy()
    assert np.abs(restored - outputs).mean(axis=(1, 2, 3)).max() < 1e-5


def test_parameters():
    assert sum(p.numel() for p in STFANNet().parameters()) == 5_372_547  # published: 5.37 M


def small():
    return STFANNet(mid_channels=2, num_blocks=1, kernel_size=3)


def test_steps_make_up_forward(device):
    network = small().to(device)
    frames = torch.rand(2, 3, 3, 8, 12, device=device)
    first, fused = network.step(frames[:, 0])
    second, _ = network.step(frames[:, 1], frames[:, 0], first.clamp(0, 1), fused)
    outputs = network(frames)
    assert outputs.shape == frames.shape
    torch.testing.assert_close(outputs[:, 0], first)
    torch.testing.assert_close(outputs[:, 1], second)


def test_truncated_backpropagation():
    network = small()
    frames = torch.rand(1, 3, 3, 8, 8, requires_grad=True)
    full = torch.autograd.grad(network(frames)[:, 2].sum(), frames)[0]
    cut = torch.autograd.grad(network(frames, detach_every=1)[:, 2].sum(), frames)[0]
    assert full[:, 0].abs().sum() > 0
    assert cut[:, 0].abs().sum() == 0
    assert cut[:, 1].abs().sum() > 0  # the previous blurred frame still enters step 2


@pytest.mark.parametrize('shape, message', [((1, 2, 3, 10, 8), 'multiples of 4'),
                                            ((2, 3, 8, 8), r'\(n, t, c, h, w\)')])
def test_wrong_use(shape, message):
    with pytest.raises(ValueError, match=message):
        small()(torch.zeros(shape))
