"""Muon with AdamW: steps of known size, PyTorch's AdamW on vectors, and states that go on."""

import pytest
import torch

from cdvd_mm.engine.muon import MuonAdamW, orthogonalised
from cdvd_mm.registry import OPTIMIZERS


@pytest.mark.parametrize('shape', [(2, 8, 8), (3, 8, 30), (2, 30, 8)])
def test_steps_are_nearly_orthogonal_and_keep_their_directions(shape):
    matrices = torch.randn(shape, dtype=torch.float64)
    # singular values from 1 to 100
    u, _, v = torch.linalg.svd(matrices, full_matrices=False)
    scales = torch.logspace(0, 2, u.shape[-1], dtype=torch.float64)
    found = orthogonalised(u * scales @ v).double()
    values = torch.linalg.svdvals(found)
    assert 0.5 < values.min() and values.max() < 1.3
    # the same vectors: u^T found v is diagonal
    core = u.mT @ found @ v.mT
    off_diagonal = core - torch.diag_embed(torch.diagonal(core, dim1=1, dim2=2))
    assert off_diagonal.abs().max() < 0.05
    assert (torch.diagonal(core, dim1=1, dim2=2) > 0.5).all()


def test_vectors_are_stepped_as_by_adamw():
    mine, reference = (torch.nn.Parameter(torch.ones(7)) for _ in range(2))
    ours = MuonAdamW([mine], lr=0.02, vector_lr=1e-3, betas=(0.9, 0.99))
    theirs = torch.optim.AdamW([reference], lr=1e-3, betas=(0.9, 0.99), weight_decay=0)
    for _ in range(5):
        mine.grad = torch.randn(7)
        reference.grad = mine.grad.clone()
        ours.step()
        theirs.step()
    torch.testing.assert_close(mine, reference)


def test_a_first_step_on_a_convolution_has_the_length_it_says():
    weight = torch.nn.Parameter(torch.zeros(6, 4, 3, 3))
    weight.grad = torch.randn_like(weight) * 1e-6
    MuonAdamW([weight], lr=0.01).step()
    values = torch.linalg.svdvals(weight.detach().reshape(6, 36))
    assert 0.006 < values.min() and values.max() < 0.0125
    assert (weight.detach() * weight.grad).sum() < 0


def test_a_schedule_changes_both_alike():
    vector = torch.nn.Parameter(torch.zeros(3))
    optimizer = MuonAdamW([vector], lr=0.01, vector_lr=1e-3)
    optimizer.param_groups[0]['lr'] = 0.005
    vector.grad = torch.tensor([1.0, -2.0, 3.0])
    optimizer.step()
    torch.testing.assert_close(vector.detach(), torch.tensor([-5e-4, 5e-4, -5e-4]))


def test_it_goes_on_from_a_state():
    def network():
        torch.manual_seed(0)
        return torch.nn.Conv2d(3, 4, 3)

    def steps(net, optimizer, seeds):
        for seed in seeds:
            torch.manual_seed(seed)
            optimizer.zero_grad()
            net(torch.randn(1, 3, 8, 8)).square().mean().backward()
            optimizer.step()

    whole, halves = network(), network()
    steps(whole, MuonAdamW(whole.parameters()), range(6))
    first = MuonAdamW(halves.parameters())
    steps(halves, first, range(3))
    second = MuonAdamW(halves.parameters())
    second.load_state_dict(first.state_dict())
    steps(halves, second, range(3, 6))
    assert torch.equal(whole.weight, halves.weight) and torch.equal(whole.bias, halves.bias)


def test_configs_find_it_and_wrong_settings_are_refused():
    param = torch.nn.Parameter(torch.zeros(2))
    optimizer = OPTIMIZERS.build(dict(type='MuonAdamW', params=[param], lr=0.02))
    assert isinstance(optimizer, MuonAdamW)
    with pytest.raises(ValueError, match='lr > 0'):
        MuonAdamW([param], lr=0)
    with pytest.raises(ValueError, match='momentum'):
        MuonAdamW([param], momentum=1.0)
