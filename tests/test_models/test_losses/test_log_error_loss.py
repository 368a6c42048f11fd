"""The loss with a logarithm, against numbers worked out by hand."""

import math

import pytest
import torch

from cdvd_mm.models.losses import LogErrorLoss
from cdvd_mm.registry import MODELS


def test_known_value():
    target = torch.zeros(2, 3, 4, 4)
    pred = torch.stack([torch.full((3, 4, 4), 0.1), torch.full((3, 4, 4), 0.01)])
    expected = (math.sqrt(0.01 + 1e-6) + math.sqrt(1e-4 + 1e-6)) / 2 \
        + 0.005 * (math.log(0.01 + 3e-5) + math.log(1e-4 + 3e-5)) / 2
    assert LogErrorLoss()(pred, target).item() == pytest.approx(expected, rel=1e-5)
    assert LogErrorLoss(loss_weight=2.0)(pred, target).item() == pytest.approx(2 * expected,
                                                                               rel=1e-5)


def test_a_decibel_counts_alike_in_mild_and_strong_blur():
    loss = LogErrorLoss(log_weight=1.0, floor=0.0, eps=0.0)
    target = torch.zeros(1, 3, 8, 8)
    for size in (0.2, 0.002):
        error = torch.full((1, 3, 8, 8), size)
        gained = loss(error, target) - loss(error * 10 ** (-1 / 20), target)
        decibel = math.log(10) / 10
        assert gained.item() == pytest.approx(decibel + size * (1 - 10 ** (-1 / 20)), rel=1e-4)


def test_gradient():
    pred, target = (torch.rand(2, 3, 4, 4, requires_grad=True) for _ in range(2))
    loss = MODELS.build(dict(type='LogErrorLoss'))
    loss(pred, target.detach()).backward()
    assert torch.isfinite(pred.grad).all() and pred.grad.abs().sum() > 0
    same = torch.zeros(1, 3, 4, 4, requires_grad=True)
    loss(same, torch.zeros(1, 3, 4, 4)).backward()
    assert (same.grad == 0).all()


def test_shapes_must_agree():
    with pytest.raises(ValueError, match='one shape'):
        LogErrorLoss()(torch.rand(1, 3, 4, 4), torch.rand(1, 3, 4, 5))
