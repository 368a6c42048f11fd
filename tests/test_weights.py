"""Files of weights that carry their config, and the one that ships."""

import json

import cv2
import numpy as np
import pytest
import torch

from cdvd_mm.inference.model import init_model
from cdvd_mm.weights import SHIPPED, default_model, save_weights, trained_model

MODEL = dict(
    type='EDVRDeblur', generator=dict(type='WindowUNet', channels=[8, 12, 16]),
    pixel_loss=dict(type='CharbonnierLoss'), train_cfg=dict(tsa_iter=0),
    data_preprocessor=dict(type='DataPreprocessor', mean=[0., 0., 0.], std=[255., 255., 255.]))


def test_weights_come_back_with_their_model(tmp_path):
    from mmengine.config import Config
    model = init_model(Config(dict(default_scope='cdvd_mm', model=MODEL)))
    torch.nn.init.normal_(model.generator.conv_last.weight)
    path = tmp_path / 'own.safetensors'
    save_weights(path, model.state_dict(), MODEL, {'licence': 'Apache-2.0'})
    config, checkpoint = trained_model(path)
    again = init_model(config, checkpoint)
    for name, value in model.state_dict().items():
        assert torch.equal(value, again.state_dict()[name])


def test_mmengine_reads_them_too(tmp_path):
    from mmengine.runner.checkpoint import CheckpointLoader
    from safetensors.torch import save_file
    path = tmp_path / 'bare.safetensors'
    save_file({'x': torch.arange(3)}, path)
    loaded = CheckpointLoader.load_checkpoint(str(path), map_location='cpu')
    assert loaded['state_dict']['x'].tolist() == [0, 1, 2]


def test_what_is_no_such_file_is_refused(tmp_path):
    from safetensors.torch import save_file
    with pytest.raises(FileNotFoundError, match='none.safetensors'):
        trained_model(tmp_path / 'none.safetensors')
    bare = tmp_path / 'bare.safetensors'
    save_file({'x': torch.zeros(2)}, bare)
    with pytest.raises(ValueError, match='carries no config'):
        trained_model(bare)
    broken = tmp_path / 'broken.safetensors'
    broken.write_bytes(bare.read_bytes()[:-4])
    with pytest.raises(ValueError, match='broken.safetensors'):
        trained_model(broken)
    with pytest.raises(ValueError, match='broken.safetensors'):
        from mmengine.runner.checkpoint import CheckpointLoader
        CheckpointLoader.load_checkpoint(str(broken))


def test_the_shipped_file_fits_the_wheel_and_its_config_is_the_published_one(repo_root):
    from mmengine.config import Config
    assert SHIPPED.stat().st_size <= 8 * 2 ** 20
    published = Config.fromfile(str(repo_root / 'configs/cdvd_lite.py')).model
    assert json.loads(json.dumps(default_model().config.model)) \
        == json.loads(json.dumps(published))


@pytest.fixture(scope='module')
def footage(shared):
    """Sharp frames (60, 3, 240, 320) of a camera that no training saw, RGB in [0, 1]."""
    capture = cv2.VideoCapture(str(shared / 'clips/kingscross_60fps.mp4'))
    frames = [capture.read()[1][..., ::-1].copy() for _ in range(160)][100:]
    return torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2).float() / 255


def psnr(first, second):
    return float(-10 * torch.log10((first - second).square().mean()))


def test_the_shipped_network_takes_blur_away(footage):
    """Groups of five frames averaged in linear light, as GOPRO's were."""
    network = init_model(*default_model()).generator
    blurred = torch.stack([group.pow(2.2).mean(0).pow(1 / 2.2) for group in footage.split(5)])
    sharp = footage[2::5]
    gains = []
    for k in range(2, 10, 2):
        with torch.no_grad():
            restored = network(blurred[None, k - 2:k + 3])[0].clamp(0, 1)
        gains.append(psnr(restored, sharp[k]) - psnr(blurred[k], sharp[k]))
    assert np.mean(gains) > 0.7 and min(gains) > -0.1, gains


def test_the_shipped_network_keeps_what_is_sharp(footage):
    network = init_model(*default_model()).generator
    with torch.no_grad():
        kept = [psnr(network(footage[None, k - 2:k + 3])[0].clamp(0, 1), footage[k])
                for k in (10, 25, 40)]
    assert np.mean(kept) > 44, kept
