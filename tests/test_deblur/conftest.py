"""A small model that deblurs."""

from __future__ import annotations

import pytest

TINY = """
default_scope = 'cdvd_mm'
model = dict(
    type='CascadedRestorer',
    generator=dict(type='CDVDNet', mid_channels=4, num_blocks=1, flow_estimator=None,
                   predict_residual=True),
    pixel_loss=dict(type='L1Loss'))
"""


@pytest.fixture(scope='module')
def model(tmp_path_factory) -> list[str]:
    """Paths of config and checkpoint."""
    torch = pytest.importorskip('torch')
    folder = tmp_path_factory.mktemp('model')
    (folder / 'tiny.py').write_text(TINY)
    from cdvd_mm.inference.model import init_model
    torch.manual_seed(0)
    net = init_model(str(folder / 'tiny.py'), device='cpu')
    torch.nn.init.normal_(net.generator.reconstruction.out_block[-1].weight, std=.01)
    torch.save({'state_dict': net.state_dict()}, folder / 'tiny.pth')
    return [str(folder / 'tiny.py'), str(folder / 'tiny.pth')]
