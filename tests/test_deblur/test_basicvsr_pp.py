"""BasicVSR++, which wants whole videos, from file to file in clips of bounded memory."""

from unittest import mock

import numpy as np
import pytest
import torch
from torch import nn

pytest.importorskip('av')

from mmagic.models.editors.basicvsr import basicvsr_net  # noqa: E402
from video_files import images, make_video  # noqa: E402

from cdvd_mm import cli  # noqa: E402
from cdvd_mm.inference.model import init_model  # noqa: E402

CONFIG = """
default_scope = 'cdvd_mm'
model = dict(
    type='BasicVSRDeblur',
    generator=dict(type='BasicVSRPlusPlusNet', mid_channels=8, num_blocks=1,
                   is_low_res_input=False),
    pixel_loss=dict(type='CharbonnierLoss'), test_cfg=dict(clip_length=4, overlap=2))
"""


def thin_level() -> nn.Module:
    """In the place of a level of its flow network, which takes nine tenths of the time."""
    return nn.Conv2d(8, 2, 3, padding=1)


@pytest.fixture
def model(tmp_path):
    (tmp_path / 'tiny.py').write_text(CONFIG)
    with mock.patch.object(basicvsr_net, 'SPyNetBasicModule', thin_level):
        torch.manual_seed(0)
        restorer = init_model(str(tmp_path / 'tiny.py'), device='cpu')
        torch.save({'state_dict': restorer.state_dict()}, tmp_path / 'tiny.pth')
        yield restorer


def test_from_file_to_file(model, tmp_path):
    source = make_video(tmp_path / 'in.mp4', 9, (50, 38))
    seen = []
    whole = type(model.generator).forward

    def forward(self, frames):
        seen.append(tuple(frames.shape))
        return whole(self, frames)

    with mock.patch.object(type(model.generator), 'forward', forward):
        assert cli.run('deblur', [str(source), str(tmp_path / 'out'), str(tmp_path / 'tiny.py'),
                                  str(tmp_path / 'tiny.pth'), '--device', 'cpu', '--quiet',
                                  '--precision', 'fp32', '--clip-overlap', '2']) == 0
    # from 0, 2, 4 and, to fit nine frames, from 5; padded to what its flow network takes
    assert seen == [(1, 4, 3, 256, 256)] * 4
    blurred = torch.from_numpy(np.stack(images(source))).permute(0, 3, 1, 2)[None] / 255
    with torch.no_grad():
        clips = [model.forward_tensor(blurred[:, k:k + 4])[0] for k in (0, 2, 4, 5)]
    expected = torch.cat((clips[0][:3], clips[1][1:3], clips[2][1:2], clips[3][1:]))
    expected = expected.clamp(0, 1).permute(0, 2, 3, 1).numpy() * 255
    restored = np.stack(images(tmp_path / 'out'))
    assert restored.shape == (9, 38, 50, 3)
    assert np.abs(restored - expected).max() < 0.52
    assert np.abs(restored - np.stack(images(source)).astype(float)).max() > 2  # it does something
