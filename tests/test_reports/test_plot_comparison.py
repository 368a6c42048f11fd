"""The demo's comparison: restored frames, both PSNRs, a picture."""

import cv2
import numpy as np
import pytest
import torch

pytest.importorskip('skimage', reason='the photographs come with scikit-image')

from cdvd_mm.apis import VideoDeblurInferencer  # noqa: E402
from cdvd_mm.data_tools.demo import DemoSettings, make_demo_data  # noqa: E402
from cdvd_mm.inference.model import init_model  # noqa: E402
from cdvd_mm.reports.examples import (  # noqa: E402
    ComparedFrame,
    _most_blurred_part,
    _spread,
    draw_comparison,
    plot_comparison,
)

CONFIG = 'configs/cdvd_demo.py'


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    return make_demo_data(tmp_path_factory.mktemp('data') / 'demo', DemoSettings(
        train_scenes=1, train_frames=5, train_size=(32, 32), test_scenes=2, test_frames=6,
        test_size=(34, 46)))


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory, repo_root):
    """A network that passes the blurred frame through, as it is before training."""
    model = init_model(str(repo_root / CONFIG), device='cpu')
    model.init_weights()
    path = tmp_path_factory.mktemp('checkpoint') / 'untrained.pth'
    torch.save(dict(state_dict=model.state_dict()), path)
    return path


def test_files_and_numbers(root, checkpoint, repo_root, tmp_path):
    result = plot_comparison(
        str(repo_root / CONFIG), str(checkpoint), str(tmp_path / 'out'), num_examples=3,
        device='cpu', options={'test_dataloader.dataset.data_root': str(root)})
    assert result.num_frames == 4  # six frames a video, without the first and last two
    assert result.psnr_restored == pytest.approx(result.psnr_blurred)
    names = sorted(path.relative_to(tmp_path / 'out').as_posix()
                   for path in (tmp_path / 'out').rglob('*.png'))
    assert names == ['comparison.png'] + [
        f'restored/{video}/{number:06d}.png' for video in ('coffee_00', 'motorcycle_left_01')
        for number in (3, 4)]
    restored = cv2.imread(str(tmp_path / 'out/restored/coffee_00/000003.png'))
    blurred = cv2.imread(str(root / 'test/coffee_00/blur/000003.png'))
    np.testing.assert_array_equal(restored, blurred)
    picture = cv2.imread(result.figure)
    assert picture.shape[1] > 1500 and picture.std() > 20


def test_the_network_that_ships_beside_it(root, checkpoint, repo_root, tmp_path):
    """As its own restorer scores the same frames."""
    result = plot_comparison(
        str(repo_root / CONFIG), str(checkpoint), str(tmp_path / 'out'), device='cpu',
        options={'test_dataloader.dataset.data_root': str(root)}, with_shipped=True)
    restored = VideoDeblurInferencer(device='cpu', precision='fp32')
    scores = []
    for video in ('coffee_00', 'motorcycle_left_01'):
        frames, sharp = ([cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB) for path in
                          sorted((root / 'test' / video / kind).iterdir())]
                         for kind in ('blur', 'sharp'))
        frames = list(restored.restore(frames))
        for k in (2, 3):
            error = (frames[k].astype(float) - sharp[k])[4:28, 4:40]  # of 32x44
            scores.append(10 * np.log10(255**2 / (error**2).mean()))
    assert result.psnr_shipped == pytest.approx(np.mean(scores), abs=0.01)
    assert result.psnr_shipped != result.psnr_restored


@pytest.mark.parametrize('config, message', [
    ('configs/stfan/stfan_demo.py', 'no stages to look into'),
    ('configs/no_such_config.py', 'config not found')])
def test_refusals(config, message, repo_root, tmp_path):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        plot_comparison(str(repo_root / config), None, str(tmp_path), device='cpu')


def test_the_number_of_examples_is_checked(tmp_path):
    with pytest.raises(ValueError, match='num_examples must be at least 1, found 0'):
        plot_comparison(CONFIG, None, str(tmp_path), num_examples=0)


def compared(video, psnr, shape=(16, 24), with_prior=True):
    image = np.full((*shape, 3), 100, np.uint8)
    return ComparedFrame(f'{video}/1', video, image, image, image,
                         np.ones(shape) if with_prior else None, psnr, psnr + 1)


def test_examples_come_from_all_videos_the_worst_first():
    videos = {'a': [compared('a', 20.), compared('a', 21.)], 'b': [compared('b', 19.)]}
    assert [(frame.video, frame.psnr_blurred) for frame in _spread(videos, 3)] == \
        [('b', 19.), ('a', 20.), ('a', 21.)]
    assert len(_spread(videos, 2)) == 2


def test_the_part_where_the_blur_does_most():
    frame = compared('a', 20.)
    frame.blurred = frame.blurred.copy()
    frame.blurred[12:, 15:20] = 200
    rows, columns = _most_blurred_part(frame)
    assert (rows.stop - rows.start, columns.stop - columns.start) == (8, 12)
    assert rows == slice(8, 16)
    assert columns.start <= 15 and columns.stop >= 20


def test_a_picture_without_prior(tmp_path):
    draw_comparison([compared('a', 20., with_prior=False)], 'title', str(tmp_path / 'x.png'))
    assert cv2.imread(str(tmp_path / 'x.png')) is not None
