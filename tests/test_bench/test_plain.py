import pytest
import torch

from cdvd_mm.bench.plain import plain_details, restore_window_plainly
from cdvd_mm.registry import MODELS

SMALL = dict(mid_channels=4, num_blocks=1)


@pytest.mark.parametrize('options', [
    dict(type='CDVDNet'), dict(type='CDVDNet', prior=None),
    dict(type='CDVDNet', flow_source='blurred'),
    dict(type='CDVDNet', flow_estimator=None), dict(type='SingleFrameCDVDNet')])
def test_plain_form_is_the_same_network(options):
    net = MODELS.build(dict(options, **SMALL)).eval()
    clip = torch.rand(1, 5, 3, 64, 64)
    with torch.no_grad():
        for plain, batched in zip(plain_details(net, clip), net.forward_details(clip)):
            for first, second in zip(plain, batched):
                assert (first is None) == (second is None)
                if first is not None:
                    torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(restore_window_plainly(net, clip.unbind(1)), net(clip),
                                   rtol=1e-4, atol=1e-4)


def test_fewer_stages_and_gradients():
    net = MODELS.build(dict(type='CDVDNet', flow_estimator=None, **SMALL))
    stage, = plain_details(net, torch.rand(1, 3, 3, 16, 16), num_active_stages=1)
    stage.restored.sum().backward()
    assert net.reconstruction.in_block[0][0].weight.grad.abs().sum() > 0
