"""Triton kernels held to the plain-torch references.

On a GPU they run compiled; without one Triton's interpreter runs the same code
on the CPU (slowly: the shapes are tiny, and odd on purpose).
"""

import pytest
import torch

pytest.importorskip('triton')

from cdvd_mm.ops import backends, correlation, correlation_torch, flow_warp  # noqa: E402
from cdvd_mm.ops.flow_warp import flow_warp_torch, warp_with_mask  # noqa: E402
from cdvd_mm.ops.triple_input import triple_input, triple_input_torch  # noqa: E402

DEVICE = 'cuda' if torch.cuda.is_available() else 'cpu'


@pytest.fixture(autouse=True)
def _interpreted(monkeypatch):
    if DEVICE == 'cpu':
        if not backends.has_interpreter():
            pytest.skip('this Triton needs a GPU')
        monkeypatch.setenv('TRITON_INTERPRET', '1')


def rand(*shape, dtype=torch.float32, scale=1.):
    return (torch.rand(*shape, dtype=torch.float64) * scale).to(DEVICE, dtype)


def flows(*shape, dtype=torch.float32, reach=4.):
    """In all directions, some far out of the frame, some exactly on pixels."""
    flow = (torch.rand(*shape, dtype=torch.float64) - .5) * 2 * reach
    flow[..., ::3] = flow[..., ::3].round()
    flow[..., 0, 0] = 50.
    return flow.to(DEVICE, dtype)


def gradients(function, inputs):
    inputs = [x.detach().clone().requires_grad_() for x in inputs]
    out = function(*inputs)
    weights = torch.linspace(-1, 1, out.numel(), device=out.device).view_as(out).to(out.dtype)
    return torch.autograd.grad((out * weights).sum(), inputs)


@pytest.mark.parametrize('shape, radius, normalize', [
    ((1, 2, 2, 6), 4, False), ((2, 3, 3, 5), 1, True), ((1, 1, 3, 3), 0, False)])
def test_correlation(shape, radius, normalize):
    a, b = rand(*shape), rand(*shape)
    out = correlation(a, b, radius, normalize, backend='triton')
    expected = correlation_torch(a, b, radius, normalize)
    assert out.shape == expected.shape and (out - expected).abs().max() < 1e-5
    for x, y in zip(gradients(lambda a, b: correlation(a, b, radius, normalize, 'triton'), (a, b)),
                    gradients(lambda a, b: correlation_torch(a, b, radius, normalize), (a, b))):
        assert (x - y).abs().max() < 1e-5


def test_correlation_in_half_precision_sums_in_float32():
    a, b = rand(1, 64, 3, 4, dtype=torch.float16), rand(1, 64, 3, 4, dtype=torch.float16)
    out = correlation(a, b, 1, backend='triton')
    expected = correlation_torch(a.double(), b.double(), 1)
    assert out.dtype == torch.float16 and ((out - expected).abs() / (1 + expected)).max() < 1e-3


@pytest.mark.parametrize('padding_mode', ['border', 'zeros'])
@pytest.mark.parametrize('shape', [(2, 3, 6, 9), (1, 2, 17, 18)])
def test_flow_warp(padding_mode, shape):
    frames, flow = rand(*shape), flows(shape[0], 2, *shape[2:])
    out = flow_warp(frames, flow, padding_mode, backend='triton')
    expected = flow_warp_torch(frames, flow, padding_mode)
    assert (out - expected).abs().max() < 1e-5


@pytest.mark.parametrize('padding_mode', ['border', 'zeros'])
def test_flow_warp_gradients(padding_mode):
    frames = rand(1, 2, 5, 7, dtype=torch.float64)
    flow = flows(1, 2, 5, 7, dtype=torch.float64) + .013  # not on pixels: kinks there
    for x, y in zip(gradients(lambda f, v: flow_warp(f, v, padding_mode, 'triton'),
                              (frames, flow)),
                    gradients(lambda f, v: flow_warp_torch(f, v, padding_mode), (frames, flow))):
        assert (x - y).abs().max() < 1e-9


def test_warp_with_mask():
    frames, flow = rand(2, 3, 6, 8), flows(2, 2, 6, 8)
    out, mask = warp_with_mask(frames, flow, backend='triton')
    expected, expected_mask = warp_with_mask(frames, flow, backend='torch')
    assert torch.equal(mask, expected_mask) and 0 < mask.mean() < 1
    assert (out - expected).abs().max() < 1e-5
    for x, y in zip(gradients(lambda f, v: warp_with_mask(f, v, backend='triton')[0],
                              (frames, flow + .013)),
                    gradients(lambda f, v: warp_with_mask(f, v, backend='torch')[0],
                              (frames, flow + .013))):
        assert (x - y).abs().max() < 1e-4


@pytest.mark.parametrize('shape, patch', [((1, 6, 7), 5), ((2, 4, 9), 3)])
def test_triple_input(shape, patch):
    n, *size = shape
    frames = [rand(n, 3, *size) for _ in range(3)]
    both = [flows(n, 2, *size, reach=2.) for _ in range(2)]
    out = triple_input(*frames, *both, patch, backend='triton')
    expected = triple_input_torch(*frames, *both, patch)
    assert out.shape == (n, 10, *size) and (out - expected).abs().max() < 1e-5
    assert 0 < (out[:, 9] == 0).float().mean() < 1


def test_triple_input_gradients():
    frames = [rand(1, 3, 5, 6) for _ in range(3)]
    both = [flows(1, 2, 5, 6, reach=2.) + .013 for _ in range(2)]
    for x, y in zip(gradients(lambda *t: triple_input(*t, backend='triton'), (*frames, *both)),
                    gradients(triple_input_torch, (*frames, *both))):
        assert (x - y).abs().max() < 1e-4


def test_network_with_the_fused_op(monkeypatch):
    """CDVDNet through the fused op (its GPU path) and step by step: one result."""
    from cdvd_mm.models.backbones import cdvd_net
    net = cdvd_net.CDVDNet(3, 1, mid_channels=2, num_blocks=1, prior={
        'type': 'cdvd_mm.TemporalSharpnessPrior', 'patch_size': 3}).to(DEVICE).eval()
    net.flow_estimator.estimator.init_weights()
    frames = rand(2, 3, 3, 16, 20)
    calls = []

    def counted(*args):
        calls.append(args)
        return triple_input(*args, backend='torch')

    monkeypatch.setattr(cdvd_net, 'triple_input', counted)
    with torch.no_grad():
        results = []
        for fused in (True, False):
            monkeypatch.setattr(cdvd_net.CDVDNet, '_is_fused', lambda self, x, fused=fused: fused)
            results.append(net(frames))
    assert len(calls) == 1 and calls[0][-1] == 3
    assert (results[0] - results[1]).abs().max() < 1e-5


def test_refusals_say_why(monkeypatch):
    a = rand(1, 2, 4, 4)
    with pytest.raises(ValueError, match='choose from'):
        correlation(a, a, backend='cuda')
    with pytest.raises(ValueError, match='int64 is not one of'):
        backends.run('triton', 'correlation', correlation_torch, (a.long(), a.long()))
    if DEVICE == 'cpu':
        if not backends.has_interpreter():
            pytest.skip('this Triton needs a GPU')
        monkeypatch.setenv('TRITON_INTERPRET', '0')
        for call in (lambda: correlation(a, a, backend='triton'),
                     lambda: flow_warp(a, a, backend='triton'),
                     lambda: triple_input(*[a.repeat(1, 2, 1, 1)[:, :3]] * 3, a, a,
                                          backend='triton')):
            with pytest.raises(ValueError, match='on cpu and Triton runs on GPUs'):
                call()
        assert torch.equal(flow_warp(a, a), flow_warp(a, a, backend='torch'))
    monkeypatch.setattr(backends.importlib.util, 'find_spec', lambda name: None)
    with pytest.raises(ValueError, match='Triton is not installed'):
        correlation(a, a, backend='triton')


def test_wrong_shapes():
    a, flow = rand(1, 3, 4, 4), rand(1, 2, 4, 4)
    for inputs, message in (((a, a[..., 1:], a, flow, flow), 'one shape'),
                            ((a, a, a, flow, a), 'expected flows'),
                            ((a, a, a, flow, flow, 4), 'odd')):
        with pytest.raises(ValueError, match=message):
            triple_input(*inputs)
