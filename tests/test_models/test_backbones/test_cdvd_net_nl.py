import numpy as np
import pytest
import torch
from reference import load_reference, to_clip

from cdvd_mm.converters.cdvd_nl import convert_cdvd_nl_state_dict
from cdvd_mm.models.backbones.cdvd_net_nl import CDVDNetNL, PatchAttention

PICTURE = (1e-6, 3e-5)  # bounds of mean and maximum: rounding noise of any implementation
FLOW = (2e-5, 3e-4)  # in pixels


def assert_close(found, expected, bounds):
    error = np.abs(found.detach().cpu().numpy() - expected)
    assert error.mean() < bounds[0] and error.max() < bounds[1], (error.mean(), error.max())


@pytest.fixture(scope='module')
def released(shared):
    """Arrays of the reference, the network with its weights."""
    arrays, weights = load_reference(shared, 'cdvd_tspnl')
    network = CDVDNetNL().eval()
    network.load_state_dict(convert_cdvd_nl_state_dict(weights))
    return arrays, network


def listen(module, calls):
    """Note what a module is called with and gives."""
    return module.register_forward_hook(lambda _, inputs, output: calls.append((inputs, output)))


@torch.no_grad()
def test_released_network(released):
    """Every step of the first run, and both runs' results."""
    arrays, network = released
    parts = dict(flow=network.flow_estimator.estimator, extractor=network.extractor,
                 attention=network.non_local.attention, backward=network.backward_propagation,
                 forward=network.forward_propagation, fusion=network.fusion)
    calls = {name: [] for name in parts}
    handles = [listen(module, calls[name]) for name, module in parts.items()]
    stages = network.forward_runs(to_clip(arrays['frames']))
    for handle in handles:
        handle.remove()
    t = len(arrays['frames'])
    # a run estimates the flow to the next frames first, then that to the previous ones
    flows = [output[0] for _, output in calls['flow']]
    assert len(flows) == 4 * (t - 1)
    assert_close(flows[0], arrays['flow_backward_0'], FLOW)
    assert_close(flows[t - 1], arrays['flow_forward_0'], FLOW)
    assert_close(flows[2 * (t - 1)], arrays['flow_backward_0_stage_2'], FLOW)
    assert_close(calls['extractor'][1][1][0, :16], arrays['extractor_1'], PICTURE)
    assert_close(calls['attention'][0][1][0, 1, :16], arrays['attention_1'], PICTURE)
    assert_close(calls['forward'][1][0][0][0, :16], arrays['F_1'], PICTURE)
    assert_close(calls['backward'][t - 1][1][0, :16], arrays['backward_0'], PICTURE)
    assert_close(calls['forward'][t - 1][1][0, :16], arrays['forward_last'], PICTURE)
    sharpness = torch.stack([inputs[0][0, -1] for inputs, _ in calls['fusion'][:t]])
    assert_close(sharpness, arrays['S'], PICTURE)
    assert_close(calls['fusion'][1][1][0, :16], arrays['fusion_1'], PICTURE)
    assert_close(stages[0][0], arrays['stage_1'], PICTURE)
    assert_close(stages[1][0], arrays['stage_2'], PICTURE)


def test_on_any_device(released, device):
    arrays, network = released
    network = network.to(device)
    with torch.no_grad():
        restored = network(to_clip(arrays['frames']).to(device))[0]
    network.cpu()
    assert_close(restored, arrays['stage_2'], (1e-5, 1e-3))


def test_parameters():
    assert sum(p.numel() for p in CDVDNetNL().parameters()) == 5_498_095


def plain_attention(module, x):
    """By definition: the patches one after the other, every weight computed."""
    t, c, h, w = x.shape
    p = module.patch_size
    places = [(i, slice(y, y + p), slice(z, z + p)) for i in range(t)
              for y in range(0, h - p + 1, p) for z in range(0, w - p + 1, p)]

    def tokens(frames):
        return torch.stack([frames[i, :, rows, columns].flatten() for i, rows, columns in places])

    query, key, value = (tokens(conv(x)) for conv in (module.to_query, module.to_key,
                                                      module.to_value))
    mixed = torch.zeros_like(x)
    for q, (i, rows, columns) in zip(query, places):
        weights = torch.softmax(key @ q / (c * p * p)**0.5, 0)
        mixed[i, :, rows, columns] = (weights[:, None] * value).sum(0).view(c, p, p)
    return x + module.projection(mixed)


@pytest.mark.parametrize('size', [(8, 12), (9, 11)])
def test_attention_by_definition(size, device):
    """Also where patches do not fill the frame."""
    module = PatchAttention(channels=3, patch_size=4).to(device).double()
    for conv in (module.to_query, module.to_key):
        conv.weight.data.mul_(6)  # weights that are far from equal
    x = torch.randn(2, 3, 3, *size, device=device, dtype=torch.double)
    expected = torch.stack([plain_attention(module, clip) for clip in x])
    torch.testing.assert_close(module(x), expected)


def small(**options):
    return CDVDNetNL(mid_channels=8, num_blocks=1, **options)


def parameters(network):
    return sum(p.numel() for p in network.parameters())


def test_ablations():
    """What each form leaves out, in parameters; and that it runs."""
    whole, c = parameters(small()), 8
    assert parameters(small(num_runs=1)) == whole
    assert parameters(small(prior=None)) == whole - c
    attention = 2 * (9 * c + c) + 2 * (9 * c * c + c)
    resampling = c * c * (27 + 48) + 2 * c
    assert parameters(small(with_non_local=False)) == whole - attention - resampling
    frames = torch.rand(1, 3, 3, 32, 32)
    spynet = parameters(small().flow_estimator)
    assert parameters(small(flow_estimator=None)) == whole - spynet
    for options in (dict(num_runs=1), dict(prior=None), dict(with_non_local=False),
                    dict(flow_estimator=None)):
        assert small(**options)(frames).shape == frames.shape
    with pytest.raises(ValueError, match='num_runs must be 1 or more, not 0'):
        small(num_runs=0)


def test_runs_share_parameters_and_follow_each_other():
    network = small(num_runs=2).eval()
    frames = torch.rand(1, 2, 3, 32, 36)
    with torch.no_grad():
        first, second = network.forward_runs(frames)
        torch.testing.assert_close(network(first), network.forward_runs(first)[1])
        network.num_runs = 1
        torch.testing.assert_close(network(frames), first)
        torch.testing.assert_close(network(first), second)


@pytest.mark.parametrize('shape', [(1, 2, 3, 33, 46), (2, 1, 3, 36, 32), (1, 2, 3, 5, 7)])
def test_any_size_and_length(shape):
    with torch.no_grad():
        restored = small(num_runs=1).eval()(torch.rand(shape))
    assert restored.shape == shape and torch.isfinite(restored).all()


def test_every_parameter_learns():
    network = small().train()
    network(torch.rand(1, 2, 3, 32, 32)).square().mean().backward()
    idle = [name for name, p in network.named_parameters()
            if p.grad is None or not p.grad.abs().sum() > 0]
    # softmax does not change where all queries meet the same shift of all keys
    assert set(idle) <= {'non_local.attention.to_key.bias'}, idle


@pytest.mark.parametrize('shape', [(2, 3, 8, 8), (1, 2, 4, 8, 8)])
def test_wrong_use(shape):
    with pytest.raises(ValueError, match=r'RGB clips \(n, t, 3, h, w\)'):
        small()(torch.zeros(shape))
