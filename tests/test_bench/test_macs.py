"""Counts against arithmetic by hand."""

import pytest
import torch
from torch import nn

from cdvd_mm.bench.macs import count_macs
from cdvd_mm.bench.plain import plain_details
from cdvd_mm.models.backbones.cdvd_net import CDVDNet
from cdvd_mm.ops import correlation, filter_adaptive_conv, sliced_attention


def test_convolutions():
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, groups=1), nn.ReLU(),
        nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=4, bias=False),
        nn.ConvTranspose2d(8, 2, 4, stride=2, padding=1))
    macs = count_macs(network, torch.zeros(2, 3, 8, 8))
    convs = 2 * 64 * 8 * 3 * 9 + 2 * 16 * 8 * 2 * 9
    transposed = 2 * 16 * 8 * 2 * 16
    assert macs.parts == {'convolution': convs + transposed}
    biases, activations = 2 * 64 * 8 + 2 * 64 * 2, 2 * 64 * 8
    # by its output: four times as many
    assert macs.as_published == convs + 4 * transposed + biases + activations


def test_matrix_products():
    linear = count_macs(nn.Linear(5, 7), torch.zeros(3, 5))
    assert linear.total == 3 * 5 * 7 and linear.as_published == 3 * 5 * 7 + 3 * 7
    first, second = torch.zeros(2, 3, 4), torch.zeros(2, 4, 5)
    assert count_macs(torch.bmm, first, second).parts == {'bmm': 2 * 3 * 4 * 5}


def test_deformable_convolutions_are_counted_once():
    from mmcv.ops import DeformConv2d, ModulatedDeformConv2d
    x, offset, mask = torch.zeros(1, 4, 6, 6), torch.zeros(1, 18, 6, 6), torch.zeros(1, 9, 6, 6)
    modulated = ModulatedDeformConv2d(4, 8, 3, padding=1)
    assert count_macs(modulated, x, offset, mask).total == 36 * 8 * 4 * 9
    deformable = DeformConv2d(4, 8, 3, padding=1)
    assert count_macs(deformable, x, offset).total == 36 * 8 * 4 * 9


def test_torchvision_deformable_convolution():
    from torchvision.ops import deform_conv2d
    x, offset, weight = torch.zeros(1, 4, 6, 6), torch.zeros(1, 18, 6, 6), torch.zeros(8, 2, 3, 3)
    macs = count_macs(deform_conv2d, x, offset, weight, padding=1)  # two groups
    assert macs.parts == {'deform_conv2d': 36 * 8 * 2 * 9}


def test_own_operators():
    features = torch.zeros(2, 3, 4, 5)
    macs = count_macs(correlation, features, features, 4)
    assert macs.parts == {'linalg_vecdot': 2 * 81 * 3 * 20} and macs.as_published == 0
    kernels = torch.zeros(2, 3 * 25, 4, 5)
    assert count_macs(filter_adaptive_conv, features, kernels, 5).parts == {
        'addcmul_': 2 * 25 * 3 * 20}


@pytest.mark.parametrize('slices', [1, 3])
def test_attention(slices):
    query, key, value = torch.rand(2, 6, 8), torch.rand(2, 5, 8), torch.rand(2, 5, 8)
    most = 2 * 6 * 5 // slices
    macs = count_macs(sliced_attention, query, key, value, scale=1., max_weights=most)
    assert macs.total == 2 * 6 * 5 * (8 + 8)


def test_mmcv_correlation():
    from mmcv.ops import Correlation
    features = torch.zeros(1, 3, 4, 5)
    assert count_macs(Correlation(max_displacement=4), features, features).total == 81 * 3 * 20


def test_differences_and_shares():
    layer = nn.Conv2d(3, 8, 3, padding=1)
    long, short = (count_macs(layer, torch.zeros(n, 3, 4, 4)) for n in (5, 3))
    assert (long - short) // 2 == count_macs(layer, torch.zeros(1, 3, 4, 4))


def test_nothing_is_left_behind():
    """After a failure, as after a count: no mode, gradients as before."""
    with pytest.raises(ZeroDivisionError):
        count_macs(lambda: 1 / 0)
    weight = torch.ones(2, requires_grad=True)
    count_macs(lambda: weight * 2)
    assert (weight * 2).requires_grad and not (weight * 2).is_inference()


def test_published_macs_of_cdvd_tsp():
    """357.9 G for a window of 256x256, of which 349.7 G are really done, correlation included."""
    network = CDVDNet().eval()
    frames = torch.rand(1, 5, 3, 64, 64)
    macs = count_macs(plain_details, network, frames)
    scale = 16 / 1e9  # 64x64 -> 256x256
    assert macs.as_published * scale == pytest.approx(357.9, abs=0.05)
    assert macs.total * scale == pytest.approx(349.73, abs=0.01)
    shared = count_macs(network, frames)
    assert shared.total < macs.total
    assert set(shared.parts) == {'convolution', 'linalg_vecdot'}
