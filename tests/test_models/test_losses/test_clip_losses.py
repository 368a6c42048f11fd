import cmath
import math

import pytest
import torch

from cdvd_mm.models.losses import FrequencyLoss, PixelCharbonnierLoss


def transform_by_hand(image):
    """Half of the discrete Fourier transform of a list of rows, term by term."""
    height, width = len(image), len(image[0])
    return [[sum(image[y][x] * cmath.exp(-2j * math.pi * (u * y / height + v * x / width))
                 for y in range(height) for x in range(width))
             for v in range(width // 2 + 1)] for u in range(height)]


def test_frequency_loss_is_the_mean_magnitude(device):
    pred, target = torch.rand(2, 2, 3, 4, 5, dtype=torch.float64)
    magnitudes = [abs(value) for image in (pred - target).flatten(0, 1).tolist()
                  for row in transform_by_hand(image) for value in row]
    expected = 0.3 * sum(magnitudes) / len(magnitudes)
    loss = FrequencyLoss(loss_weight=0.3)(pred.to(device), target.to(device))
    assert loss.item() == pytest.approx(expected, rel=1e-10)


def test_frequency_loss_of_a_constant_difference(device):
    """A difference of 0.5 everywhere has one coefficient: 0.5 h w among h (w / 2 + 1)."""
    target = torch.rand(1, 1, 6, 8, device=device)
    loss = FrequencyLoss(loss_weight=1.0)(target + 0.5, target)
    assert loss.item() == pytest.approx(0.5 * 48 / (6 * 5), rel=1e-5)
    half = FrequencyLoss(loss_weight=1.0)((target + 0.5).bfloat16(), target.bfloat16())
    assert half.dtype == torch.float32 and half.item() == pytest.approx(0.8, rel=0.05)


def test_pixel_charbonnier_loss_by_hand(device):
    pred = torch.zeros(1, 3, 1, 2, device=device)
    target = torch.zeros(1, 3, 1, 2, device=device)
    target[0, :, 0, 0] = torch.tensor([0.3, 0., 0.6])
    expected = (math.sqrt((0.09 + 0.36) / 3 + 1e-6) + math.sqrt(1e-6)) / 2
    assert PixelCharbonnierLoss()(pred, target).item() == pytest.approx(expected, rel=1e-6)
    assert PixelCharbonnierLoss(loss_weight=2.)(pred, target).item() == \
        pytest.approx(2 * expected, rel=1e-6)


@pytest.mark.parametrize('loss', [FrequencyLoss(), PixelCharbonnierLoss()])
def test_gradients_and_wrong_use(loss):
    pred = torch.rand(1, 2, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    target = torch.rand(1, 2, 3, 4, 5, dtype=torch.float64)
    assert torch.autograd.gradcheck(loss, (pred, target))
    same = target.clone().requires_grad_()  # no NaN where nothing differs
    loss(same, target).backward()
    assert torch.isfinite(same.grad).all()
    with pytest.raises(ValueError, match='one shape'):
        loss(pred, target[:, :1])
