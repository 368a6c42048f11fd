"""What is behind the page, without a browser."""

from __future__ import annotations

import time
from fractions import Fraction

import numpy as np
import pytest
from video_files import images, make_video, psnr

from cdvd_mm.web.jobs import CANCELLED, DONE, FAILED, JobQueue, QueueFull
from cdvd_mm.web.options import Model, WebOptions, parse_model
from cdvd_mm.web.tasks import look
from cdvd_mm.web.views import flow_colours, write_view
from cdvd_mm.web.visits import Visits, shown_name, stored_name


@pytest.fixture
def queue():
    made = JobQueue('test', 2)
    yield made
    made.close()


def wait_for_the_process(queue):
    end = time.monotonic() + 60
    while queue._worker._process is None:
        assert time.monotonic() < end
        time.sleep(0.01)
    return queue._worker._process


def test_a_job_that_dies_is_not_the_end(queue, tmp_path):
    film = make_video(tmp_path / 'film.mp4', 6, (48, 32))
    dies = queue.submit('look', dict(source=film, max_seconds=10.))
    wait_for_the_process(queue).kill()
    assert dies.wait(60) and dies.state == FAILED and 'died' in dies.error
    fails = queue.submit('look', dict(source=tmp_path / 'none.mp4', max_seconds=10.))
    works = queue.submit('look', dict(source=film, max_seconds=10.))
    assert fails.wait(60) and fails.state == FAILED and 'none.mp4' in fails.error
    assert works.wait(60) and works.state == DONE
    assert (works.result.width, works.result.height, works.result.num_frames) == (48, 32, 6)


def test_queue(queue, tmp_path):
    film = make_video(tmp_path / 'film.mp4', 6, (48, 32))
    arguments = dict(source=film, max_seconds=10.)
    first = queue.submit('look', arguments)
    wait_for_the_process(queue)
    second, third = (queue.submit('look', arguments) for _ in range(2))
    assert [queue.ahead(job) for job in (first, second, third)] == [0, 1, 2]
    with pytest.raises(QueueFull, match='2 jobs are waiting'):
        queue.submit('look', arguments)
    queue.cancel(second)
    queue.cancel(first)
    assert first.wait(60) and second.wait(60) and third.wait(60)
    assert [job.state for job in (first, second, third)] == [CANCELLED, CANCELLED, DONE]


def test_a_video_that_is_too_long(tmp_path):
    film = make_video(tmp_path / 'film.mp4', 30, (48, 32), Fraction(10))
    with pytest.raises(ValueError, match='lasts 3 s, and this page takes 2 s at most'):
        look(lambda *news: None, film, 2.)


def test_the_view_has_the_part(tmp_path):
    """Checked by their frames: what moves is at the same place in both."""
    film = make_video(tmp_path / 'film.mp4', 30, (48, 32), Fraction(10), options=dict(crf='1'))
    write_view(film, tmp_path / 'view.mp4', 2., 1., 2.)
    shown, all_of_it = images(tmp_path / 'view.mp4'), images(film)
    assert len(shown) == 10
    assert psnr(shown[0], all_of_it[10]) > 30 > psnr(shown[0], all_of_it[11])


def test_flow_is_drawn_by_direction():
    flow = np.zeros((4, 4, 2), np.float32)
    flow[:2, :, 0], flow[2:, :, 0] = 8, -8
    picture = flow_colours(flow)
    assert tuple(picture[0, 0]) == (255, 0, 0)  # to the right: red, as HSV has angle 0
    assert tuple(picture[3, 0]) == (0, 255, 255)


def test_names_become_no_paths():
    for name in ('../../etc/passwd', 'C:\\films\\a.mp4', 'a\0b.mp4', 'x' * 500 + '.mov', '', '/'):
        stored = stored_name(3, name)
        assert stored in ('00003', '00003.mp4', '00003.mov')
        assert '/' not in shown_name(name) and '\\' not in shown_name(name)
        assert '\0' not in shown_name(name) and 0 < len(shown_name(name)) < 100


def test_models_of_the_command_line():
    assert parse_model('CDVD=cdvd_mm::cdvd_gopro.py:a/b.pth') == Model(
        'CDVD', 'cdvd_mm::cdvd_gopro.py', 'a/b.pth')
    for text in ('a.py:b.pth', 'name=a.py', '=a.py:b.pth'):
        with pytest.raises(ValueError, match='NAME=CONFIG:CHECKPOINT'):
            parse_model(text)
    with pytest.raises(ValueError, match='two models are called x'):
        WebOptions(models=(Model('x', 'a', 'b'), Model('x', 'c', 'd')))


def test_leftovers_of_a_killed_server_go(tmp_path):
    first = Visits(str(tmp_path), 1)
    visit = first.open('session')
    (visit.folder / 'film').write_bytes(b'x')
    second = Visits(str(tmp_path), 1)
    assert visit.folder.is_dir()  # the first server lives
    first._lock_file.close()  # as when its process is gone
    third = Visits(str(tmp_path), 1)
    assert not first.root.exists() and second.root.is_dir()
    for made in (second, third):
        made.remove()
    assert not list(tmp_path.iterdir())
