import pytest

from cdvd_mm.windows import window_indices


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
