import pytest
import torch
import torch.nn.functional as F

from cdvd_mm.ops.filter_adaptive_conv import filter_adaptive_conv


def by_unfolding(features, kernels, kernel_size, padding_mode='replicate'):
    """The same sum with the k * k-fold copy of the features."""
    n, c, h, w = features.shape
    margin = kernel_size // 2
    mode = 'constant' if padding_mode == 'zeros' else padding_mode
    padded = F.pad(features, (margin, ) * 4, mode=mode)
    windows = F.unfold(padded, kernel_size).view(n, c, kernel_size**2, h, w)
    return (windows * kernels.view(n, c, kernel_size**2, h, w)).sum(dim=2)


@pytest.mark.parametrize('padding_mode', ['replicate', 'zeros'])
@pytest.mark.parametrize('kernel_size', [1, 3, 5])
def test_equals_unfolding(device, kernel_size, padding_mode):
    features = torch.randn(2, 3, 7, 9, device=device, dtype=torch.float64, requires_grad=True)
    kernels = torch.randn(
        2, 3 * kernel_size**2, 7, 9, device=device, dtype=torch.float64, requires_grad=True)
    output = filter_adaptive_conv(features, kernels, kernel_size, padding_mode)
    expected = by_unfolding(features, kernels, kernel_size, padding_mode)
    torch.testing.assert_close(output, expected)
    weights = torch.randn_like(output)
    grads = torch.autograd.grad((output * weights).sum(), (features, kernels))
    expected_grads = torch.autograd.grad((expected * weights).sum(), (features, kernels))
    for grad, expected_grad in zip(grads, expected_grads):
        torch.testing.assert_close(grad, expected_grad)


@pytest.mark.parametrize('features_last', [True, False])
def test_channels_last(device, features_last):
    """The sum runs in the kernels' memory format: the same numbers, and no copy of the kernels."""
    features = torch.randn(2, 3, 7, 9, device=device, requires_grad=True)
    kernels = torch.randn(2, 27, 7, 9, device=device, requires_grad=True)
    last = [x.detach().contiguous(memory_format=torch.channels_last).requires_grad_()
            for x in (features, kernels)]
    if not features_last:
        last[0] = features.detach().clone().requires_grad_()
    expected, output = (filter_adaptive_conv(*pair, 3) for pair in ((features, kernels), last))
    assert output.equal(expected) and output.is_contiguous(memory_format=torch.channels_last)
    weights = torch.randn_like(expected)
    for x, y in zip((features, kernels), last):
        ours, = torch.autograd.grad((output * weights).sum(), y, retain_graph=True)
        assert ours.equal(torch.autograd.grad((expected * weights).sum(), x, retain_graph=True)[0])


def test_known_values(device):
    features = torch.arange(12., device=device).view(1, 1, 3, 4)
    identity = torch.zeros(1, 9, 3, 4, device=device)
    identity[:, 4] = 1
    torch.testing.assert_close(filter_adaptive_conv(features, identity, 3), features)
    left = torch.zeros(1, 9, 3, 4, device=device)
    left[:, 3] = 1  # second row, first column: the pixel to the left
    output = filter_adaptive_conv(features, left, 3)
    torch.testing.assert_close(output[..., 1:], features[..., :-1])
    torch.testing.assert_close(output[..., 0], features[..., 0])  # replicated
    zeros = filter_adaptive_conv(features, left, 3, padding_mode='zeros')
    assert (zeros[..., 0] == 0).all()


@pytest.mark.parametrize('padding_mode', ['replicate', 'zeros'])
def test_gradcheck(device, padding_mode):
    features = torch.randn(1, 2, 4, 5, device=device, dtype=torch.float64, requires_grad=True)
    kernels = torch.randn(1, 18, 4, 5, device=device, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda f, k: filter_adaptive_conv(f, k, 3, padding_mode), (features, kernels))


def test_half_precision_is_summed_in_float32():
    features = torch.full((1, 1, 5, 5), 1., dtype=torch.bfloat16)
    kernels = torch.full((1, 25, 5, 5), 1 / 25, dtype=torch.bfloat16)
    output = filter_adaptive_conv(features, kernels, 5)
    assert output.dtype == torch.bfloat16
    assert (output.float() - 1).abs().max() < 0.01


@pytest.mark.parametrize('shape, kernel_size, message', [
    ((1, 18, 4, 5), 3, 'found'),
    ((1, 2 * 16, 4, 4), 4, 'odd'),
])
def test_wrong_use(shape, kernel_size, message):
    with pytest.raises(ValueError, match=message):
        filter_adaptive_conv(torch.zeros(1, 2, 4, 4), torch.zeros(shape), kernel_size)
