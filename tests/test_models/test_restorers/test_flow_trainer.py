"""Training of a flow estimator: its loss is the end-point error."""

import pytest
import torch
from mmagic.structures import DataSample
from torch import nn

from cdvd_mm.models.restorers import FlowTrainer
from cdvd_mm.registry import MODELS


@MODELS.register_module(force=True)
class ConstantFlow(nn.Module):
    """Says the same of every pair: previous and next frame are told apart by their brightness."""

    def __init__(self, x, y):
        super().__init__()
        self.flow = nn.Parameter(torch.tensor([x, y]))

    def encode(self, frames):
        return dict(sign=frames.mean((1, 2, 3)))

    def decode(self, reference, neighbour, size):
        sign = torch.sign(neighbour['sign'] - reference['sign'])
        return sign[:, None, None, None] * self.flow.view(1, 2, 1, 1).expand(-1, -1, *size)


def clip(x, y):
    """Frames that grow brighter in time and move by (x, y) a frame."""
    frames = torch.linspace(0.1, 0.9, 5).view(1, 5, 1, 1, 1).expand(2, 5, 3, 8, 12)
    times = torch.arange(-2., 3.).view(1, 5, 1, 1, 1)
    flow = times * torch.tensor([x, y]).view(1, 1, 2, 1, 1).expand(2, 1, 2, 8, 12)
    return frames, DataSample(flow=flow)


@pytest.mark.parametrize('true, said, error', [
    ((3., 4.), (3., 4.), 0.01), ((3., 4.), (0., 0.), 5.), ((1., 0.), (1., 12.), 12.)])
def test_the_loss_is_the_end_point_error(true, said, error):
    trainer = FlowTrainer(dict(type='ConstantFlow', x=said[0], y=said[1]))
    losses = trainer(*clip(*true), mode='loss')
    assert losses['loss_flow'].item() == pytest.approx(error, abs=1e-3)
    assert losses['flow_magnitude'].item() == pytest.approx((true[0]**2 + true[1]**2)**0.5)


def test_it_learns():
    trainer = FlowTrainer(dict(type='ConstantFlow', x=0., y=0.))
    optimizer = torch.optim.Adam(trainer.parameters(), 0.1)
    for _ in range(60):
        optimizer.zero_grad()
        trainer(*clip(1., -2.), mode='loss')['loss_flow'].backward()
        optimizer.step()
    torch.testing.assert_close(trainer.generator.flow.data, torch.tensor([1., -2.]), atol=0.1,
                               rtol=0)


def test_the_flow_itself_and_unknown_modes():
    trainer = FlowTrainer(dict(type='ConstantFlow', x=2., y=1.))
    flow = trainer(*clip(0., 0.), mode='tensor')
    assert flow.shape == (4, 2, 8, 12)
    assert (flow[:2, 0] == -2).all() and (flow[2:, 0] == 2).all()
    with pytest.raises(ValueError, match="found 'predict'"):
        trainer(*clip(0., 0.), mode='predict')
