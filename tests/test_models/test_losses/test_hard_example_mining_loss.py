import numpy as np
import pytest
import torch

from cdvd_mm.models.losses import HardExampleMiningLoss


def test_authors_loss(shared, device):
    """The mask agrees pixel for pixel, the loss to 1e-8."""
    with np.load(shared / 'reference' / 'metrics_and_losses.npz') as reference:
        pred, target = (torch.from_numpy(reference[k]).to(device)
                        for k in ('hem_pred', 'hem_target'))
        mask, expected = reference['hem_hard_mask'], float(reference['hem_loss_hard_only'])
        l1 = float(reference['l1'])
    loss = HardExampleMiningLoss(hard_fraction=0.5, random_fraction=0., loss_weight=1.)
    assert np.array_equal(loss.mask(pred, target).cpu().numpy(), mask)
    assert loss(pred, target).item() == pytest.approx(expected, abs=1e-6)
    assert (pred - target).abs().mean().item() == pytest.approx(l1, abs=1e-6)


def test_share_of_pixels(device):
    """Half of them hard, a tenth at random: about half of that tenth is new."""
    pred, target = torch.rand(2, 3, 12, 40, 50, device=device)
    assert HardExampleMiningLoss(0.5, 0.).mask(pred, target).mean() == 0.5
    assert HardExampleMiningLoss(0., 0.1).mask(pred, target).mean().item() == pytest.approx(0.1)
    both = HardExampleMiningLoss().mask(pred, target)
    assert both.shape == (3, 1, 40, 50)
    assert 0.53 < both.mean() < 0.57


def test_strictly_above_the_rank():
    pred = torch.tensor([4., 3., 3., 1.]).view(1, 1, 2, 2)
    mask = HardExampleMiningLoss(0.5, 0.).mask(pred, torch.zeros_like(pred))
    assert mask.flatten().tolist() == [1, 0, 0, 0]  # the value at rank 2 is 3
    assert HardExampleMiningLoss(1., 0.).mask(pred, torch.zeros_like(pred)).all()


def test_mean_over_all_elements():
    pred = torch.tensor([4., 3., 2., 1.]).view(1, 1, 2, 2)
    loss = HardExampleMiningLoss(0.5, 0., loss_weight=2.)
    assert loss(pred, torch.zeros_like(pred)).item() == 2 * (4 + 3) / 4


def test_seeded_by_torch(device):
    pred, target = torch.rand(2, 1, 3, 16, 16, device=device)
    loss, masks = HardExampleMiningLoss(), []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        masks.append(loss.mask(pred, target))
    assert torch.equal(masks[0], masks[1]) and not torch.equal(masks[0], masks[2])


def test_a_given_mask_is_used():
    pred, target = torch.rand(2, 1, 3, 8, 8)
    loss = HardExampleMiningLoss()
    assert loss(pred, target, torch.zeros(1, 1, 8, 8)) == 0


def test_gradient_reaches_chosen_pixels_alone():
    pred = torch.rand(1, 3, 8, 8, requires_grad=True)
    loss = HardExampleMiningLoss(0.25, 0.)
    loss(pred, torch.zeros(1, 3, 8, 8)).backward()
    chosen = loss.mask(pred, torch.zeros(1, 3, 8, 8)).expand(1, 3, 8, 8) > 0
    assert (pred.grad[chosen] > 0).all() and not pred.grad[~chosen].any()


def test_errors():
    with pytest.raises(ValueError, match='hard_fraction'):
        HardExampleMiningLoss(hard_fraction=1.5)
    with pytest.raises(ValueError, match='one shape'):
        HardExampleMiningLoss()(torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 9))
