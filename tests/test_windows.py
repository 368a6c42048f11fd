import pytest

from cdvd_mm.windows import clip_runs, window_indices


@pytest.mark.parametrize('length, clip_length, overlap, expected', [
    (9, None, 0, [(0, 9, 0, 9)]),
    (9, 9, 3, [(0, 9, 0, 9)]),
    (3, 9, 3, [(0, 3, 0, 3)]),
    (8, 4, 0, [(0, 4, 0, 4), (4, 8, 4, 8)]),
    # the last clip is moved back by 3: 2 of the 3 frames in common stay with the one before
    (9, 4, 0, [(0, 4, 0, 4), (4, 6, 4, 8), (6, 9, 5, 9)]),
    (8, 4, 2, [(0, 3, 0, 4), (3, 5, 2, 6), (5, 8, 4, 8)]),
])
def test_clips_by_hand(length, clip_length, overlap, expected):
    assert clip_runs(length, clip_length, overlap) == expected


@pytest.mark.parametrize('overlap', range(4))
def test_clips_cover_every_frame_once(overlap):
    for length in range(1, 40):
        runs = clip_runs(length, 5, overlap)
        given = [frame for start, stop, _, _ in runs for frame in range(start, stop)]
        assert given == list(range(length))
        for start, stop, read_start, read_stop in runs:
            assert 0 <= read_start <= start < stop <= read_stop <= length
            assert read_stop - read_start == min(5, length)
            # away from the ends of the video, a frame has half of the overlap beside it
            assert start == 0 or start - read_start >= overlap // 2
            assert stop == length or read_stop - stop >= overlap // 2


@pytest.mark.parametrize('overlap', [-1, 5])
def test_wrong_overlap(overlap):
    with pytest.raises(ValueError, match='expected a number from 0 to 4'):
        clip_runs(9, 5, overlap)


def test_ends():
    """Of 0 .. 5, by hand; 'repeated' is what CDVD-TSP's program makes of --border."""
    assert window_indices(0, 5, 6) == [2, 1, 0, 1, 2]
    assert window_indices(5, 5, 6) == [3, 4, 5, 4, 3]
    assert window_indices(0, 5, 6, 'repeated') == [0, 1, 0, 1, 2]
    assert window_indices(1, 5, 6, 'repeated') == [1, 0, 1, 2, 3]
    assert window_indices(4, 5, 6, 'repeated') == [2, 3, 4, 5, 4]
    assert window_indices(5, 5, 6, 'repeated') == [3, 4, 5, 4, 5]
    for ends in ('reflected', 'repeated'):
        assert window_indices(3, 5, 6, ends) == [1, 2, 3, 4, 5]
    with pytest.raises(ValueError, match="one of reflected, repeated, found 'cut'"):
        window_indices(0, 5, 6, 'cut')
    with pytest.raises(ValueError, match='a video of 1 frames has not the 2'):
        window_indices(0, 5, 1, 'repeated')
