import json
import runpy

import numpy as np
import pytest
import torch

from cdvd_mm.converters.cdvd_tsp import convert_cdvd_tsp_state_dict
from cdvd_mm.models.backbones import CDVDNet


def small(**options):
    """A narrow restoration network without flow."""
    options = {'mid_channels': 4, 'num_blocks': 1, 'flow_estimator': None, **options}
    return CDVDNet(**options)


def with_flow(**options):
    return small(flow_estimator={'type': 'cdvd_mm.MMFlowEstimator'}, **options)


def count(network):
    return sum(p.numel() for p in network.parameters())


@pytest.fixture(scope='module')
def released(shared):
    """Reference arrays, and the network with the reference's weights."""
    folder = shared / 'reference'
    with np.load(folder / 'cdvd_tsp.npz') as arrays:
        arrays = dict(arrays)
    fill = runpy.run_path(str(folder / 'reference_weights.py'))['fill']
    shapes = json.loads((folder / 'cdvd_tsp_state_dict.json').read_text())
    weights = fill(shapes, str(arrays['salt']), json.loads(str(arrays['overrides'])))
    network = CDVDNet().eval()
    network.load_state_dict(convert_cdvd_tsp_state_dict(
        {key: torch.from_numpy(value) for key, value in weights.items()}))
    return arrays, network


def test_released_network(released, device, monkeypatch):
    """Mean errors on CPU: flow 1.6e-5 px, warped 2e-7, masks 0, S 8e-8, stage 1 5e-7, output 7e-6.

    No pixel is off by more than 1e-3.
    """
    monkeypatch.setattr(torch.backends.cudnn, 'allow_tf32', False)
    arrays, network = released
    network.to(device)
    frames = torch.from_numpy(arrays['frames']).to(device).permute(0, 3, 1, 2)[None] / 255
    with torch.no_grad():
        first, second = network.forward_details(frames)
    network.cpu()
    triple = 0  # frames 0, 1, 2
    found = {
        'flow_1_0': (first.flows[0, triple, 0], 1e-4),
        'flow_1_2': (first.flows[0, triple, 1], 1e-4),
        'warped_0': (first.aligned[0, triple, 0], 1e-5),
        'warped_2': (first.aligned[0, triple, 2], 1e-5),
        'mask_0': (first.masks[0, triple, 0], 1e-5), 'mask_2': (first.masks[0, triple, 1], 1e-5),
        'sharpness': (first.sharpness[0, triple], 1e-5),
        'recons_1': (first.restored[0, 0], 1e-5), 'recons_2': (first.restored[0, 1], 1e-5),
        'recons_3': (first.restored[0, 2], 1e-5),
        'output': (second.restored[0, 0], 5e-5),
    }
    for name, (value, bound) in found.items():
        error = np.abs(value.cpu().double().numpy() - arrays[name].astype(np.float64))
        assert error.mean() < bound, (name, error.mean())
        assert (error.max(axis=0) > 1e-3).mean() <= 0.002, name


def test_parameters():
    network = CDVDNet()
    assert count(network.reconstruction) == 6_812_771
    assert count(network) == 16_187_045
    # the ablation without prior lacks one input channel of 32 5x5 kernels
    assert count(CDVDNet(prior=None, flow_estimator=None)) == 6_812_771 - 32 * 25


@pytest.mark.parametrize('num_stages', [1, 2, 3])
def test_stages(num_stages, device):
    num_frames = 2 * num_stages + 1
    network = small(num_frames=num_frames, num_stages=num_stages).to(device)
    frames = torch.rand(2, num_frames, 3, 16, 20, device=device)
    stages = network.forward_stages(frames)
    assert [tuple(stage.shape) for stage in stages] == [
        (2, num_frames - 2 * s, 3, 16, 20) for s in range(1, num_stages + 1)]
    output = network(frames)
    assert output.shape == (2, 3, 16, 20)
    torch.testing.assert_close(output, stages[-1][:, 0])
    assert count(network) == count(small())  # the stages share their parameters


def test_active_stages():
    network = small()
    frames = torch.rand(1, 5, 3, 8, 8)
    one, = network.forward_stages(frames, num_active_stages=1)
    torch.testing.assert_close(one, network.forward_stages(frames)[0])
    for number in (0, 3):
        with pytest.raises(ValueError, match='1 to 2'):
            network.forward_stages(frames, num_active_stages=number)


def test_longer_clips_are_all_their_windows():
    network = small()
    clip = torch.rand(1, 8, 3, 8, 8)
    restored = network.forward_stages(clip)[-1]
    assert restored.shape[1] == 4
    windows = torch.cat([network(clip[:, k:k + 5]) for k in range(4)])
    torch.testing.assert_close(restored[0], windows)


@pytest.mark.parametrize('options', [{}, {'prior': None}, {'predict_residual': True}])
def test_batched_stage_equals_triple_by_triple(options, device):
    """What streaming does: frames encoded one by one, triples restored one by one."""
    network = with_flow(**options).to(device).eval()
    frames = torch.rand(2, 5, 3, 32, 48, device=device)
    with torch.no_grad():
        for restored in network.forward_stages(frames):
            features = [network.encode(frame) for frame in frames.unbind(1)]
            alone = [network.restore_triples(frames[:, k:k + 3].unbind(1), features[k:k + 3])
                     for k in range(frames.shape[1] - 2)]
            torch.testing.assert_close(restored, torch.stack(alone, dim=1), rtol=1e-4, atol=1e-5)
            unshared = network.restore_triples(frames[:, :3].unbind(1))
            torch.testing.assert_close(restored[:, 0], unshared, rtol=1e-4, atol=1e-5)
            frames = restored


def test_each_frame_is_encoded_once(monkeypatch):
    network = with_flow().eval()
    encoded, encode = [], network.flow_estimator.encode
    monkeypatch.setattr(network.flow_estimator, 'encode',
                        lambda frames: encoded.append(len(frames)) or encode(frames))
    with torch.no_grad():
        network(torch.rand(2, 5, 3, 16, 16))
    assert encoded == [2 * 5, 2 * 3]


def test_details_agree_with_stages():
    network = with_flow().eval()
    frames = torch.rand(1, 5, 3, 16, 16)
    with torch.no_grad():
        details, stages = network.forward_details(frames), network.forward_stages(frames)
    for detail, stage in zip(details, stages):
        k = stage.shape[1]
        torch.testing.assert_close(detail.restored, stage)
        assert detail.aligned.shape == (1, k, 3, 3, 16, 16)
        assert detail.masks.shape == (1, k, 2, 1, 16, 16)
        assert detail.flows.shape == (1, k, 2, 2, 16, 16)
        assert detail.sharpness.shape == (1, k, 1, 16, 16)
    without, = small(num_frames=3, num_stages=1, prior=None).forward_details(frames[:, :3])
    assert without.flows is None and without.sharpness is None and without.masks.all()


def test_without_flow_neighbours_stay_as_they_are():
    frames = torch.rand(1, 3, 3, 8, 8)
    detail, = small(num_frames=3, num_stages=1).forward_details(frames)
    assert torch.equal(detail.aligned[:, 0], frames)


def test_residual():
    network, frames = small(predict_residual=True), torch.rand(1, 5, 3, 8, 8)
    torch.nn.init.zeros_(network.reconstruction.out_block[-1].weight)
    torch.nn.init.zeros_(network.reconstruction.out_block[-1].bias)
    assert torch.equal(network(frames), frames[:, 2])


def test_every_parameter_learns(device):
    network = with_flow().to(device)
    network.init_weights()
    sum(stage.square().mean() for stage in
        network.forward_stages(torch.rand(1, 5, 3, 32, 32, device=device))).backward()
    assert not [name for name, p in network.named_parameters() if p.grad is None]
    assert all(p.grad.isfinite().all() for p in network.parameters())


def test_initialisation_is_pytorchs():
    torch.manual_seed(1)
    before = small()
    torch.manual_seed(1)
    after = small()
    after.init_weights()
    for a, b in zip(before.parameters(), after.parameters()):
        assert torch.equal(a, b)


@pytest.mark.parametrize('num_frames, num_stages, message', [
    (4, 2, 'odd.*not 4; num_stages=2 needs num_frames=5'),
    (5, 3, 'num_stages=3 needs num_frames=7, num_frames=5 fits num_stages=2'),
    (3, 0, 'num_stages must be 1 or more')])
def test_window_does_not_fit(num_frames, num_stages, message):
    with pytest.raises(ValueError, match=message):
        small(num_frames=num_frames, num_stages=num_stages)


@pytest.mark.parametrize('shape, message', [
    ((1, 3, 3, 8, 8), 'windows of 5 frames, not of 3'), ((1, 5, 1, 8, 8), 'RGB clips'),
    ((5, 3, 8, 8), 'RGB clips'), ((1, 5, 3, 8, 10), 'multiples of 4, not 8 and 10')])
def test_wrong_clips(shape, message):
    with pytest.raises(ValueError, match=message):
        small()(torch.rand(shape))


def test_clip_too_short():
    with pytest.raises(ValueError, match='2 stages need 5 frames or more, got 4'):
        small().forward_stages(torch.rand(1, 4, 3, 8, 8))
