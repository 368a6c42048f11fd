"""Names of frames: their order, the numbers that tell them apart, names that are no paths."""

import random

import pytest

from cdvd_mm.names import checked_name, frame_numbers, natural_key


@pytest.mark.parametrize('names', [
    ['frame_1', 'frame_2', 'frame_10', 'frame_100'],
    ['1', '2', '10', '011', '12'],
    ['frame_-2', 'frame_-1', 'frame_0', 'frame_1'],
    ['clip-1', 'clip-2', 'clip-10'],
    ['0.033', '0.067', '0.100', '0.1333'],
    ['1\u00b21', '1\u00b22', '2\u00b21', '10\u00b21'],  # a superscript is no digit
    ['a2b1', 'a2b10', 'a10b1'],
    ['IMG_9', 'img_10', 'IMG_11'],
    ['', 'a', 'a1', 'b'],
])
def test_order(names):
    shuffled = list(names)
    random.Random(1).shuffle(shuffled)
    assert sorted(shuffled, key=natural_key) == names


@pytest.mark.parametrize('names, numbers', [
    (['frame_1', 'frame_2', 'frame_10'], [1, 2, 10]),
    (['00007', '00009'], [7, 9]),
    (['v2_f1_x', 'v2_f3_x'], [1, 3]),
    (['frame_-1', 'frame_0'], [-1, 0]),
    (['a1', 'b2'], None),
    (['1_1', '2_2'], None),
    (['left', 'right'], None),
    (['f1', 'f1_2'], None),
    ([], None),
])
def test_numbers(names, numbers):
    assert frame_numbers(names) == numbers


@pytest.mark.parametrize('name', ['', '.', '..', '../x', 'a/b', 'a\\b', '/x', 'a\0b', None, 3, []])
def test_names_that_are_none(name):
    with pytest.raises(ValueError, match='recipe.json: .* is no name'):
        checked_name(name, 'recipe.json')


@pytest.mark.parametrize('name', ['a', 'GOPR0384_11_00', 'a b', 'one:a', '...', '.a', '\u00fc'])
def test_names_that_are_ones(name):
    assert checked_name(name, 'x') == name
