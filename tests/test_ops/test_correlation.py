import pytest
import torch

from cdvd_mm.ops import correlation


def by_definition(reference, neighbour, d):
    n, _, h, w = reference.shape
    out = reference.new_zeros(n, (2 * d + 1)**2, h, w)
    for y in range(h):
        for x in range(w):
            for k, (dy, dx) in enumerate((dy, dx) for dy in range(-d, d + 1)
                                         for dx in range(-d, d + 1)):
                if 0 <= y + dy < h and 0 <= x + dx < w:
                    product = reference[:, :, y, x] * neighbour[:, :, y + dy, x + dx]
                    out[:, k, y, x] = product.sum(1)
    return out


@pytest.mark.parametrize('d', [0, 1, 2])
def test_definition(d, device):
    reference, neighbour = torch.randn(2, 2, 3, 4, 5, device=device)
    expected = by_definition(reference, neighbour, d)
    torch.testing.assert_close(correlation(reference, neighbour, max_displacement=d), expected)
    torch.testing.assert_close(
        correlation(reference, neighbour, max_displacement=d, normalize=True), expected / 3)


def test_mmcv_agrees(device):
    from mmcv.ops import Correlation
    reference, neighbour = torch.randn(2, 1, 4, 6, 7, device=device)
    expected = Correlation(max_displacement=4)(reference, neighbour).flatten(1, 2)
    torch.testing.assert_close(correlation(reference, neighbour), expected)


def test_gradcheck(device):
    pair = torch.randn(2, 1, 2, 3, 4, dtype=torch.float64, device=device, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda p: correlation(p[0], p[1], max_displacement=1, normalize=True), (pair, ))


def test_wrong_input():
    feature = torch.zeros(1, 2, 4, 4)
    with pytest.raises(ValueError, match='one shape'):
        correlation(feature, feature[..., :3])
    with pytest.raises(ValueError, match='max_displacement'):
        correlation(feature, feature, max_displacement=-1)
    with pytest.raises(ValueError, match="'abacus'.*torch"):
        correlation(feature, feature, backend='abacus')
