"""The simulated camera: known motion, exact flow, light, curriculum, samples by their number."""

import cv2
import numpy as np
import pytest

from cdvd_mm.datasets.camera_film import Layer, Response, average_clip, film_layers
from cdvd_mm.datasets.camera_motion import MotionPath, view_matrix
from cdvd_mm.datasets.simulated_camera import SimulatedCameraDataset, dead_leaves


@pytest.fixture(scope='module')
def pictures(tmp_path_factory):
    """A folder of two smooth pictures."""
    folder = tmp_path_factory.mktemp('pictures')
    rng = np.random.default_rng(0)
    for name in ('a.png', 'b.png'):
        noise = rng.uniform(0, 255, size=(160, 200, 3)).astype(np.float32)
        smooth = cv2.GaussianBlur(noise, (0, 0), 4)
        stretched = (smooth - smooth.min()) / (smooth.max() - smooth.min()) * 255
        cv2.imwrite(str(folder / name), stretched.astype(np.uint8))
    return str(folder)


def dataset(pictures, **settings):
    return SimulatedCameraDataset(**{
        'pictures': [pictures], 'film_size': 64, 'crop_size': 32, 'films_at_once': 4,
        'crops_per_film': 2, **settings})


class Shift:
    """A motion of constant speed."""

    def __init__(self, x, y):
        self.speed = (x, y)

    def at(self, time):
        return self.speed[0] * time, self.speed[1] * time, 0.0, 1.0


def shifted_layer(picture, x, y):
    height, width = picture.shape[:2]
    return Layer(picture, lambda time: view_matrix(
        Shift(x, y), time, 32, (0, 0), ((width - 1) / 2, (height - 1) / 2), 1.0, 0.0))


def test_a_moving_edge_becomes_a_ramp_of_known_length():
    # 4 pixels a frame, taps at -0.25, 0, 0.25 of a frame: the edge is seen at -1, 0 and 1 pixels
    picture = np.zeros((64, 65, 3), np.float32)
    picture[:, 33:] = 1.0  # between the film's pixels 16 and 17 at time 0: centre 32 is at 15.5
    picture = np.ascontiguousarray(picture[:, :64])
    offsets = np.array([-0.25, 0.0, 0.25])
    blurred, sharp, _ = film_layers([shifted_layer(picture, 4.0, 0.0)], 3, 32, offsets)
    row = blurred[1, 16, 14:21, 0]
    np.testing.assert_allclose(row, [0, 0, 1 / 3, 2 / 3, 1, 1, 1], atol=1e-5)
    np.testing.assert_allclose(sharp[1, 16, 14:21, 0], [0, 0, 0, 1, 1, 1, 1], atol=1e-5)
    # a frame later everything is 4 pixels further right
    np.testing.assert_allclose(blurred[2, 16, 18:25, 0], row, atol=1e-5)


def test_turning_and_zooming_move_the_frame_as_they_say():
    class Turn:
        def at(self, time):
            return 0.0, 0.0, np.pi / 2, 2.0

    # (10, 4) seen from the turning point (4, 4) at time 0 lies 6 to the right; a quarter turn
    # and twice the size later it lies 12 below
    matrix = view_matrix(Turn(), 1.0, 32, (4, 4), (15.5, 15.5), 1.0, 0.0)
    np.testing.assert_allclose(matrix @ (4, 16, 1), (10, 4), atol=1e-9)


def test_the_flow_is_exact(pictures):
    films = [dataset(pictures, with_flow=True, still=0.0, film_size=96).make_film(number)
             for number in range(6)]
    rows, columns = np.mgrid[:96, :96].astype(np.float32)
    errors, unaligned = [], []
    for film in films:
        np.testing.assert_allclose(film.flow[2], 0, atol=1e-9)
        middle = film.sharp[2].astype(np.float32)
        for frame in (1, 3):
            x, y = columns + film.flow[frame, ..., 0], rows + film.flow[frame, ..., 1]
            other = film.sharp[frame].astype(np.float32)
            warped = cv2.remap(other, x, y, cv2.INTER_LINEAR)
            inside = (x >= 0) & (y >= 0) & (x <= 95) & (y <= 95)
            # pixels that something covers in either frame have no counterpart: the median
            errors.append(np.median(np.abs(warped - middle)[inside]))
            unaligned.append(np.median(np.abs(other - middle)[inside]))
    assert np.mean(errors) < 1.0
    assert np.mean(unaligned) > 3 * np.mean(errors)


@pytest.mark.parametrize('gamma, half', [(2.2, 186.07), (None, 187.52), (1.0, 127.5)])
def test_half_the_light_is_stored_as_the_curve_says(gamma, half):
    response = Response(gamma)
    stored = response.to_stored(np.full((1, 1, 1, 3), 0.5, np.float32))
    np.testing.assert_array_equal(stored, round(half))
    light = response.table(np.ones(3), 1.0)
    assert light[255, 0, 0] == pytest.approx(1)
    levels = response.to_stored(light[None])
    np.testing.assert_array_equal(levels[0, :, 0, 0], np.arange(256))


def test_averages_are_those_of_light(pictures):
    # frames of 0 and 255 in turn: groups of three hold one or two white ones
    clip = np.zeros((15, 32, 32, 3), np.uint8)
    clip[1::2] = 255
    blurred, sharp = average_clip(np.random.default_rng(0), clip,
                                  Response(2.2).table(np.ones(3), 1.0), 3, 1.0, 5, 32)
    stored = Response(2.2).to_stored(blurred)
    one, two = (round(255 * (white / 3) ** (1 / 2.2)) for white in (1, 2))
    assert [int(frame[0, 0, 0]) for frame in stored] == [one, two, one, two, one]
    assert [float(frame[0, 0, 0]) for frame in sharp] == [1, 0, 1, 0, 1]


def test_speed_is_the_one_asked_for_and_changes():
    paths = [MotionPath(np.random.default_rng(n), 5, 6.0, 64, 1.0) for n in range(200)]
    lengths = np.array([[path.length(k - 0.5, k + 0.5) for k in range(-2, 3)] for path in paths])
    assert 0.4 * 6 < lengths.mean() < 6.5
    # frames nearly at rest beside fast ones, in many films
    ratio = lengths.min(1) / lengths.max(1)
    assert (ratio < 0.2).mean() > 0.3
    assert paths[0].at(0.0) == (0.0, 0.0, 0.0, 1.0)


def test_a_sample_depends_on_its_number_alone(pictures):
    first, second = dataset(pictures, seed=3), dataset(pictures, seed=3)
    expected = [first[index] for index in range(8)]
    for index in (5, 2, 7, 0):  # in another order, from films made anew
        found = second[index]
        np.testing.assert_array_equal(found['img'], expected[index]['img'])
        np.testing.assert_array_equal(found['gt'], expected[index]['gt'])
    other = dataset(pictures, seed=4)[0]
    assert not np.array_equal(other['img'], expected[0]['img'])
    assert not np.array_equal(expected[1]['img'], expected[0]['img'])


def test_every_film_is_cut_as_often(pictures):
    films = [dataset(pictures)._film_number(index) for index in range(16)]
    assert sorted(films[:8]) == [0, 0, 1, 1, 2, 2, 3, 3]
    assert sorted(films[8:]) == [4, 4, 5, 5, 6, 6, 7, 7]


def test_shapes_and_kinds(pictures):
    sample = dataset(pictures)[0]
    assert [frame.shape for frame in sample['img']] == [(32, 32, 3)] * 5
    assert [frame.shape for frame in sample['gt']] == [(32, 32, 3)]
    assert sample['img'][0].dtype == np.uint8
    assert len(dataset(pictures, sharp_window=True)[0]['gt']) == 5
    flow = dataset(pictures, with_flow=True)[0]['flow']
    assert [(one.shape, one.dtype) for one in flow] == [((32, 32, 2), np.float32)] * 5


def test_films_at_rest_stay_sharp(pictures):
    at_rest = [dataset(pictures, still=1.0).make_film(n) for n in range(40)]
    kept = [film for film in at_rest if np.array_equal(film.blurred, film.sharp)]
    assert 20 <= len(kept) < 40  # some of the others have noise or are compressed
    # the camera may move: what is at rest is each exposure
    moving = [np.abs(film.sharp[0].astype(int) - film.sharp[4]).max() > 10 for film in kept]
    assert 5 <= sum(moving) < len(kept)
    others = [dataset(pictures, still=0.0).make_film(n) for n in range(20)]
    assert sum(np.array_equal(film.blurred, film.sharp) for film in others) <= 2


def test_the_curriculum_makes_blur_stronger(pictures):
    data = dataset(pictures, max_speed=(1, 12), min_psnr=(0, 0), curriculum=2000, still=0.0)

    def psnr(numbers):
        scores = []
        for number in numbers:
            film = data.make_film(number)
            scores.append(cv2.PSNR(film.blurred[2], film.sharp[2]))
        return np.median(scores)

    assert psnr(range(40)) > psnr(range(2000, 2040)) + 3


def test_a_limit_keeps_strong_blur_out(pictures):
    data = dataset(pictures, max_speed=(12, 12), min_psnr=(30, 30), still=0.0)
    scores = [cv2.PSNR(film.blurred[2], film.sharp[2]) for film in map(data.make_film, range(30))]
    assert np.mean(np.array(scores) >= 30) > 0.9


def test_drawn_pictures_have_edges_and_flat_parts():
    picture = dead_leaves(np.random.default_rng(0), size=128, count=200)
    assert picture.shape == (128, 128, 3) and picture.dtype == np.uint8
    steps = np.abs(np.diff(picture.astype(int), axis=1)).max(-1)
    # most neighbours are nearly alike, some are far apart
    assert np.median(steps) < 12 and np.percentile(steps, 97) > 40
    assert np.array_equal(picture, dead_leaves(np.random.default_rng(0), size=128, count=200))


def test_wrong_settings_are_refused(pictures, tmp_path):
    with pytest.raises(ValueError, match='odd'):
        dataset(pictures, num_frames=4)
    with pytest.raises(ValueError, match='at most film_size'):
        dataset(pictures, crop_size=100)
    with pytest.raises(FileNotFoundError, match='nowhere'):
        dataset('nowhere')
    with pytest.raises(FileNotFoundError, match='no.mp4'):
        dataset(pictures, clips=[str(tmp_path / 'no.mp4')])
    with pytest.raises(ValueError, match='nothing to film'):
        dataset(str(tmp_path))
