"""The demo data: GOPRO's layout, sharp in the middle of the exposure, never half a folder."""

import json

import cv2
import numpy as np
import pytest

pytest.importorskip('skimage', reason='the photographs come with scikit-image')

from cdvd_mm.data_tools import demo  # noqa: E402
from cdvd_mm.data_tools.demo import DemoScene, DemoSettings, make_demo_data  # noqa: E402
from cdvd_mm.datasets import GoProDataset  # noqa: E402

SMALL = DemoSettings(train_scenes=2, train_frames=5, train_size=(32, 32), test_scenes=1,
                     test_frames=6, test_size=(32, 48))


def read(path):
    return cv2.imread(str(path))


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    return make_demo_data(tmp_path_factory.mktemp('data') / 'demo', SMALL)


def test_layout(root):
    assert sorted(path.name for path in root.iterdir()) == ['demo.json', 'test', 'train']
    video, = (root / 'test').iterdir()
    for kind in ('blur', 'sharp'):
        assert [path.name for path in sorted((video / kind).iterdir())] == \
            [f'{number:06d}.png' for number in range(1, 7)]
    assert read(video / 'blur' / '000001.png').shape == (32, 48, 3)
    assert len(list((root / 'train').iterdir())) == 2


def test_the_dataset_takes_it(root):
    train = GoProDataset(str(root), split='train')
    test = GoProDataset(str(root), split='test', test_mode=True, skip_ends=2)
    assert (len(train), len(test)) == (2, 2)


def test_train_and_test_show_different_photographs(root):
    assert not set(demo.TRAIN_PHOTOGRAPHS) & set(demo.TEST_PHOTOGRAPHS)
    for split, names in (('train', demo.TRAIN_PHOTOGRAPHS), ('test', demo.TEST_PHOTOGRAPHS)):
        shown = {path.name.rsplit('_', 1)[0] for path in (root / split).iterdir()}
        assert shown <= {name.split('.')[0] for name in names}


def test_same_seed_same_data(root, tmp_path):
    again = make_demo_data(tmp_path / 'again', SMALL)
    other = make_demo_data(tmp_path / 'other', DemoSettings(**{**SMALL.__dict__, 'seed': 1}))
    names = sorted(path.relative_to(root) for path in root.rglob('*.png'))
    assert len(names) == 2 * (2 * 5 + 6)
    assert all((root / name).read_bytes() == (again / name).read_bytes() for name in names)
    assert any((root / name).read_bytes() != (other / name).read_bytes() for name in names
               if (other / name).is_file())


def scene(shake, seed=3):
    photographs = [demo.load_photograph(name) for name in ('astronaut.png', 'camera.png')]
    return DemoScene(*photographs, (48, 48), shake, np.random.default_rng(seed))


def test_a_frame_is_the_mean_of_an_odd_number_of_instants_in_linear_light():
    moving = scene(4.0)
    assert moving.sub_frames % 2 == 1
    blurred, sharp = moving.frame(2)
    half = moving.sub_frames // 2
    light = np.mean([moving.render(2 + step / moving.sub_frames)
                     for step in range(-half, half + 1)], axis=0)
    np.testing.assert_array_equal(blurred, np.round(255 * light**(1 / 2.2)).astype(np.uint8))
    np.testing.assert_array_equal(
        sharp, np.round(255 * moving.render(2)**(1 / 2.2)).astype(np.uint8))
    assert np.abs(blurred.astype(float) - sharp).mean() > 1


def test_a_camera_held_still_gives_sharp_frames():
    for blurred, sharp in (scene(0.0).frame(index) for index in range(3)):
        assert np.abs(blurred.astype(int) - sharp).max() <= 1


def test_foreground_and_background_move_apart():
    """The patch in front has a motion of its own."""
    moving = scene(6.0)
    first, later = ((moving.background.render(time), moving.motion[0](time)) for time in (0, 3))
    assert first[1] != later[1]
    assert np.abs(first[0] - later[0]).mean() > 0.01


def test_nothing_is_made_twice(root, tmp_path):
    stamp = (root / 'demo.json').stat().st_mtime_ns
    assert make_demo_data(root, SMALL) == root
    assert (root / 'demo.json').stat().st_mtime_ns == stamp


def test_other_settings_replace_it(tmp_path):
    make_demo_data(tmp_path / 'demo', SMALL)
    fewer = DemoSettings(**{**SMALL.__dict__, 'train_scenes': 1})
    make_demo_data(tmp_path / 'demo', fewer)
    assert len(list((tmp_path / 'demo' / 'train').iterdir())) == 1
    assert json.loads((tmp_path / 'demo' / 'demo.json').read_text())['train_scenes'] == 1
    assert [path.name for path in tmp_path.iterdir()] == ['demo']


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / 'notes.txt').write_text('mine')
    with pytest.raises(ValueError, match='is not demo data'):
        make_demo_data(tmp_path, SMALL, force=True)
    assert (tmp_path / 'notes.txt').read_text() == 'mine'


def test_an_interruption_leaves_nothing_half_made(tmp_path, monkeypatch):
    calls = []

    def fail(path, image):
        calls.append(path)
        if len(calls) == 7:
            raise OSError(f'{path}: no space left on device')
        path.write_bytes(b'')

    monkeypatch.setattr(demo, '_write_png', fail)
    with pytest.raises(OSError, match='no space left'):
        make_demo_data(tmp_path / 'demo', SMALL)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('wrong, message', [
    (dict(train_scenes=0), 'train_scenes must be at least 1, found 0'),
    (dict(test_frames=4), 'test_frames must be at least 5'),
    (dict(train_size=(8, 64)), 'between 16 and 256'),
    (dict(shake=-1.0), 'shake must not be negative')])
def test_wrong_settings(wrong, message):
    with pytest.raises(ValueError, match=message):
        DemoSettings(**wrong)


def test_a_missing_photograph_is_named():
    with pytest.raises(FileNotFoundError, match='no_such_photograph.png'):
        demo.load_photograph('no_such_photograph.png')
