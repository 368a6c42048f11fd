"""What is refused before the first frame is computed, and names and places of all kinds."""

from __future__ import annotations

import os
import threading
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

pytest.importorskip('av')

from video_files import images, make_video, moving_picture  # noqa: E402

from cdvd_mm.deblur.job import deblur_video  # noqa: E402
from cdvd_mm.deblur.options import DeblurOptions  # noqa: E402
from cdvd_mm.deblur.plan import is_folder_output, make_plan  # noqa: E402
from cdvd_mm.inference.frame_restorer import FrameRestorer  # noqa: E402
from cdvd_mm.video import open_reader  # noqa: E402


class Same(torch.nn.Module):
    """A window of one, which stays as it is."""

    num_frames = 1
    size_divisor = 4
    min_size = 4

    def forward(self, frames):
        return frames[:, 0]


@pytest.fixture
def restorer() -> FrameRestorer:
    return FrameRestorer(Same(), tile=None)


def plan(source: Path, output: Path, **options) -> None:
    with open_reader(source) as reader:
        make_plan(reader, output, DeblurOptions(**options))


def pictures(folder: Path, *names: str) -> Path:
    """Write a PNG under each name."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, name in enumerate(names):
        cv2.imwrite(str(folder / name), moving_picture(index, (32, 24))[..., ::-1])
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# -- the encoder


@pytest.mark.parametrize('name, options, message', [
    ('a.mp4', {'quality': 1e9}, r'crf=1e\+09 is not possible with libx264: .* 0 to 51'),
    ('a.mp4', {'quality': -1}, 'crf=-1 is not possible'),
    ('a.mp4', {'codec_options': {'crf': '1e9'}}, 'crf=1e9 is not possible'),
    ('a.mp4', {'codec_options': {'presett': 'slow'}}, 'has no option presett'),
    ('a.mp4', {'codec_options': {'preset': 'slowest'}}, 'Error setting preset/tune slowest'),
    ('a.mkv', {'codec': 'ffv1', 'quality': 3}, 'no meaning for the encoder ffv1'),
    ('a.mkv', {'codec': 'mjpeg'}, 'Non full-range YUV'),
    ('a.mkv', {'codec': 'rawvideo'}, 'no pixel format'),
    ('a.mov', {'codec': 'vp9'}, 'mov cannot hold what libvpx-vp9 makes: vp9 only supported in MP4'),
    ('a.webm', {'codec': 'h264'}, '.webm files cannot hold libx264'),
    ('frames', {'codec': 'h264', 'quality': 3}, 'codec, quality: only for a video'),
])
def test_settings_that_cannot_work(tmp_path, name, options, message):
    """FFmpeg's reason is told and nothing stays that refuses the corrected command."""
    source = make_video(tmp_path / 'in.mp4', 2)
    with pytest.raises(ValueError, match=message):
        plan(source, tmp_path / name, **options)
    assert names(tmp_path) == ['in.mp4']


def test_a_time_base_that_the_encoder_cannot_take(tmp_path):
    source = make_video(tmp_path / 'in.mp4', 2, time_base=Fraction(1, 90000), pts=[0, 3000])
    with pytest.raises(ValueError, match='timebase 1/90000 not supported by MPEG 4'):
        plan(source, tmp_path / 'a.mp4', codec='mpeg4')


def test_quality_has_an_effect_with_mpeg4(tmp_path, restorer):
    source = make_video(tmp_path / 'in.mp4', 4, (96, 64))
    for quality in (2, 20):
        deblur_video(restorer, source, tmp_path / f'{quality}.mkv',
                     DeblurOptions(codec='mpeg4', quality=quality))
    assert (tmp_path / '2.mkv').stat().st_size > 1.5 * (tmp_path / '20.mkv').stat().st_size


def test_strict_refuses_a_loss(tmp_path):
    source = make_video(tmp_path / 'in.mp4', 2, sample_aspect_ratio=Fraction(4, 3))
    with pytest.raises(ValueError, match=r'(?s)into .*a.webm as it is:\n  - pixels .*4/3'):
        plan(source, tmp_path / 'a.webm', strict=True)
    assert names(tmp_path) == ['in.mp4']
    plan(source, tmp_path / 'a.mkv', strict=True)


# -- names


@pytest.mark.parametrize('name', [
    'clip:1.mp4', 'http:x.mp4', '%d.mp4', "it's [a] film?.mp4", 'ünï.mp4', '-.mp4',
    'x' * 251 + '.mp4', 'ü' * 125 + '.mp4'])
def test_any_name_of_a_file(tmp_path, restorer, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_video(tmp_path / 'plain.mp4', 3).rename(name)
    deblur_video(restorer, name, 'restored.mp4')
    Path('restored.mp4').unlink()
    os.mkdir('out')
    report = deblur_video(restorer, name, Path('out') / name)
    assert report.num_frames == 3 and names(Path('out')) == [name]
    Path('out', name).rename('plain.mp4')
    assert len(images(Path('plain.mp4'))) == 3


def test_pictures_with_odd_names(tmp_path, restorer):
    long = 'x' * 251 + '.png'
    source = pictures(tmp_path / 'frames_1.5x', '1²1.png', 'a10.png', 'a9.png', long)
    (source / 'folder.png').mkdir()
    (source / '.DS_Store').write_text('')
    deblur_video(restorer, source, tmp_path / 'out_1.5x')
    assert names(tmp_path / 'out_1.5x') == sorted(['1²1.png', 'a10.png', 'a9.png', long])
    with open_reader(source) as reader:
        assert reader.names == ['1²1', 'a9', 'a10', 'x' * 251]


def test_a_folder_of_folders_is_explained(tmp_path):
    pictures(tmp_path / 'in' / 'video_a', '1.png')
    with pytest.raises(ValueError, match=r'it holds folders \(video_a\): give one of them'):
        open_reader(tmp_path / 'in')


@pytest.mark.parametrize('name, folder', [
    ('frames', True), ('frames_1.5x', True), ('v1.0', True), ('a.2024', True), ('a.mp4', False),
    ('a.avi', False), ('a.doc', False), ('a.3gp', False), ('a.MKV', False)])
def test_which_output_is_a_folder(tmp_path, name, folder):
    assert is_folder_output(tmp_path / name) == folder


def test_pipes_are_explained(tmp_path):
    source = make_video(tmp_path / 'in.mp4', 2)
    os.mkfifo(tmp_path / 'pipe.mp4')
    with pytest.raises(FileNotFoundError, match='no such input: -: .* pipe'):
        open_reader('-')
    with pytest.raises(ValueError, match='is a pipe or a device'):
        open_reader(tmp_path / 'pipe.mp4')
    for output in (tmp_path / 'pipe.mp4', tmp_path / '-', Path('/dev/null')):
        with pytest.raises(ValueError, match='is no file'):
            plan(source, output, overwrite=True)


# -- places


def test_output_inside_the_input_does_not_stop_a_resume(tmp_path, restorer):
    source = pictures(tmp_path / 'in', *(f'{k}.png' for k in range(6)))

    def stop(done, _):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        deblur_video(restorer, source, source / 'out', on_frame=stop)
    (source / '.DS_Store').write_text('made meanwhile')
    assert deblur_video(restorer, source, source / 'out').num_resumed >= 3
    assert len(names(source / 'out')) == 6


def test_overwrite_replaces_frames_of_the_same_names_alone(tmp_path, restorer):
    source = pictures(tmp_path / 'in', 'a.png', 'b.png')
    output = pictures(tmp_path / 'out', 'a.png')
    (output / '.DS_Store').write_text('')
    with pytest.raises(ValueError, match='is not empty'):
        deblur_video(restorer, source, output)
    before = (output / 'a.png').read_bytes()
    deblur_video(restorer, source, output, DeblurOptions(overwrite=True, compare=True))
    assert names(output) == ['.DS_Store', 'a.png', 'b.png']
    assert (output / 'a.png').read_bytes() != before
    (output / 'mine.txt').write_text('kept')
    with pytest.raises(ValueError, match=r'holds 1 other\(s\) \(mine.txt\)'):
        deblur_video(restorer, source, output, DeblurOptions(overwrite=True))
    assert (output / 'mine.txt').read_text() == 'kept' and not list(tmp_path.glob('*.parts'))


@pytest.mark.parametrize('inner', ['in', 'deeper/in'])
def test_an_input_inside_the_output_is_safe(tmp_path, restorer, inner):
    source = pictures(tmp_path / 'out' / inner, 'a.png')
    film = make_video(tmp_path / 'out' / 'in.mp4', 2)
    for path in (source, film):
        with pytest.raises(ValueError, match='lies in the output'):
            deblur_video(restorer, path, tmp_path / 'out', DeblurOptions(overwrite=True))
    assert (source / 'a.png').is_file() and film.is_file()


def test_longer_film_of_an_earlier_run_is_not_cut(tmp_path, restorer):
    """Frames that this run does not write are somebody's."""
    output = pictures(tmp_path / 'out', *(f'{k:08d}.png' for k in range(5)))
    source = make_video(tmp_path / 'in.mp4', 3)
    with pytest.raises(ValueError, match='holds 2 other'):
        deblur_video(restorer, source, output, DeblurOptions(overwrite=True))
    assert len(names(output)) == 5


def test_what_comes_into_the_output_meanwhile_is_safe(tmp_path, restorer):
    source = pictures(tmp_path / 'in', 'a.png', 'b.png')
    output = tmp_path / 'out'

    def disturb(done, _):
        output.mkdir(exist_ok=True)
        (output / 'mine.txt').write_text('kept')

    with pytest.raises(ValueError, match='that this run did not write'):
        deblur_video(restorer, source, output, on_frame=disturb)
    assert names(output) == ['mine.txt']
    (output / 'mine.txt').unlink()
    report = deblur_video(restorer, source, output)  # the work is kept
    assert report.num_resumed == report.num_frames == 2 and names(output) == ['a.png', 'b.png']


def foreign_folder(tmp_path: Path, form: str) -> Path:
    """A folder of somebody's at the place of the parts."""
    parts = tmp_path / 'out.mp4.parts'
    elsewhere = tmp_path / 'elsewhere'
    elsewhere.mkdir()
    (elsewhere / 'mine.txt').write_text('kept')
    if form == 'symlink':
        parts.symlink_to(elsewhere)
        return elsewhere
    elsewhere.rename(parts)
    if form == 'state of another program':
        (parts / 'state.json').write_text('{"settings": {}}')
    return parts


@pytest.mark.parametrize('form', ['folder', 'symlink', 'state of another program'])
@pytest.mark.parametrize('resume', [True, False])
def test_parts_that_are_not_ours_are_not_touched(tmp_path, restorer, form, resume):
    source = make_video(tmp_path / 'in.mp4', 3)
    folder = foreign_folder(tmp_path, form)
    before = names(folder)
    with pytest.raises(ValueError, match='out.mp4.parts is needed for the parts'):
        deblur_video(restorer, source, tmp_path / 'out.mp4', DeblurOptions(resume=resume))
    assert names(folder) == before and (folder / 'mine.txt').read_text() == 'kept'


def test_what_others_put_into_our_parts_stays(tmp_path, restorer):
    source = make_video(tmp_path / 'in.mp4', 3)
    parts = tmp_path / 'out.mp4.parts'

    def disturb(done, _):
        (parts / 'mine.txt').write_text('kept')

    deblur_video(restorer, source, tmp_path / 'out.mp4', on_frame=disturb)
    assert names(parts) == ['mine.txt'] and len(images(tmp_path / 'out.mp4')) == 3
    assert threading.active_count() < 10
    assert np.array_equal(images(tmp_path / 'out.mp4')[0].shape, images(source)[0].shape)
