import errno
import os
import threading
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

pytest.importorskip('av')

from video_files import images, make_video, moving_picture, packets, psnr  # noqa: E402

from cdvd_mm.deblur import sinks  # noqa: E402
from cdvd_mm.deblur.job import deblur_video  # noqa: E402
from cdvd_mm.deblur.options import DeblurOptions  # noqa: E402
from cdvd_mm.inference.frame_restorer import FrameRestorer  # noqa: E402
from cdvd_mm.models.backbones.cdvd_net import CDVDNet  # noqa: E402
from cdvd_mm.video import open_reader  # noqa: E402
from cdvd_mm.video.scene_cuts import SceneCutDetector  # noqa: E402
from cdvd_mm.video.segments import SegmentWriter  # noqa: E402

LOSSLESS = {'codec': 'ffv1'}


class Brighten(torch.nn.Module):
    """A window of three whose result tells of its neighbours."""

    num_frames = 3
    size_divisor = 4
    min_size = 4

    def forward(self, frames):
        return 0.8 * frames[:, 1] + 0.1 * (frames[:, 0] + frames[:, 2])


@pytest.fixture
def restorer() -> FrameRestorer:
    return FrameRestorer(Brighten(), tile=None)


def expected(source: Path, cuts=()) -> list:
    """What Brighten makes of a video, scene by scene."""
    frames = [i.astype(float) for i in images(source)]
    edges, result = [0, *cuts, len(frames)], []
    for a, b in zip(edges, edges[1:]):
        scene = frames[a:b]
        for k, frame in enumerate(scene):
            before = scene[abs(k - 1) if len(scene) > 1 else 0]
            after = scene[k + 1 if k + 1 < len(scene) else max(k - 1, 0)]
            result.append(.8 * frame + .1 * (before + after))
    return result


def close(a: list, b: list, tolerance: float = 3.) -> bool:
    return len(a) == len(b) and all(np.abs(x - y).mean() < tolerance for x, y in zip(a, b))


def test_video_to_video(tmp_path, restorer):
    source = make_video(tmp_path / 'in.mp4', 14, audio=True, subtitles=True)
    report = deblur_video(restorer, source, tmp_path / 'out.mp4',
                          DeblurOptions(segment_frames=5))
    assert report.num_frames == 14 and report.damage == [] and report.num_resumed == 0
    assert close(images(tmp_path / 'out.mp4'), expected(source))
    with open_reader(tmp_path / 'out.mp4') as reader:
        assert reader.info.rate == Fraction(30000, 1001)
    assert packets(tmp_path / 'out.mp4', 'audio') == packets(source, 'audio')
    assert packets(tmp_path / 'out.mp4', 'subtitle') == packets(source, 'subtitle')
    assert sorted(p.name for p in tmp_path.iterdir()) == ['in.mp4', 'out.mp4']


def test_folder_to_folder_and_video(tmp_path, restorer):
    source = tmp_path / 'in'
    source.mkdir()
    for k in range(5):
        cv2.imwrite(str(source / f'shot{k}.png'), moving_picture(k, (33, 21))[..., ::-1])
    deblur_video(restorer, source, tmp_path / 'out')
    assert [p.name for p in sorted((tmp_path / 'out').iterdir())] == [
        f'shot{k}.png' for k in range(5)]
    assert close(images(tmp_path / 'out'), expected(source), .6)
    deblur_video(restorer, source, tmp_path / 'out.mkv', DeblurOptions(fps=24, **LOSSLESS))
    assert close(images(tmp_path / 'out.mkv'), expected(source), 1.)
    with open_reader(tmp_path / 'out.mkv') as reader:
        assert reader.info.rate == 24


@pytest.mark.parametrize('rotation', [0, 90, 180, 270])
def test_portrait_stays_portrait(tmp_path, restorer, rotation):
    """As a flag in a file, as turned pictures in a folder or gif; side by side as shown."""
    source = make_video(tmp_path / 'in.mp4', 4, rotation=rotation or None)
    turned = [np.rot90(i, rotation // 90) for i in expected(source)]
    deblur_video(restorer, source, tmp_path / 'out.mp4')
    with open_reader(tmp_path / 'out.mp4') as reader:
        assert (reader.info.width, reader.info.height) == (48, 32)
        assert reader.info.rotation == rotation
    deblur_video(restorer, source, tmp_path / 'out')
    assert close(images(tmp_path / 'out'), turned, 1.)
    deblur_video(restorer, source, tmp_path / 'out.gif')
    assert images(tmp_path / 'out.gif')[0].shape == turned[0].shape
    deblur_video(restorer, source, tmp_path / 'both', DeblurOptions(compare=True))
    both = images(tmp_path / 'both')[0]
    width = turned[0].shape[1]
    assert both.shape == (turned[0].shape[0], 2 * width, 3)
    assert np.abs(both[:, width:] - turned[0]).mean() < 1
    blurred = np.rot90(images(source)[0], rotation // 90)
    assert np.array_equal(both[:, :width], blurred)
    deblur_video(restorer, source, tmp_path / 'both.mp4', DeblurOptions(compare=True))
    with open_reader(tmp_path / 'both.mp4') as reader:
        stored = next(reader.frames()).image
        assert reader.info.rotation == rotation
        assert psnr(np.rot90(stored, rotation // 90), both) > 30


def test_start_and_end(tmp_path, restorer):
    """The frames are those of the whole video, sound is cut to them."""
    source = make_video(tmp_path / 'in.mp4', 20, rate=Fraction(10), audio=True)
    report = deblur_video(restorer, source, tmp_path / 'out.mp4',
                          DeblurOptions(start=.5, end=1.2))
    assert report.num_frames == 7
    assert close(images(tmp_path / 'out.mp4'), expected(source)[5:12])
    with open_reader(tmp_path / 'out.mp4') as reader:
        assert [round(f.pts * reader.info.time_base * 10) for f in reader.frames()] == list(
            range(7))
    sound = packets(tmp_path / 'out.mp4', 'audio')
    assert -.14 < sound[0][0] <= 0.01 and .55 < sound[-1][0] < .71
    whole = [data for _, data in packets(source, 'audio')]
    assert all(data in whole for _, data in sound)
    with pytest.raises(ValueError, match='no frames of .* lie between'):
        deblur_video(restorer, source, tmp_path / 'none.mp4', DeblurOptions(start=50))


def test_scene_cuts(tmp_path, restorer):
    source = make_video(tmp_path / 'in.mp4', 12, cuts=(5, ))
    deblur_video(restorer, source, tmp_path / 'out', DeblurOptions(scene_cuts=True))
    deblur_video(restorer, source, tmp_path / 'across')
    with_cuts, across = images(tmp_path / 'out'), images(tmp_path / 'across')
    assert close(with_cuts, expected(source, (5, )), .6)
    assert close(across, expected(source), .6) and not close(across[4:6], with_cuts[4:6], 2.)


def test_cut_detector():
    detector = SceneCutDetector(.1)
    found = [detector.is_cut(moving_picture(k, (64, 48), scene))
             for k, scene in enumerate([0] * 6 + [1] * 6 + [0] * 3)]
    assert [k for k, cut in enumerate(found) if cut] == [6, 12]
    detector = SceneCutDetector(.1)  # a fast pan is no cut
    assert not any(detector.is_cut(moving_picture(3 * k, (64, 48))) for k in range(12))
    with pytest.raises(ValueError, match='between 0 and 1'):
        SceneCutDetector(2)


@pytest.mark.parametrize('length', [1, 2])
def test_short_videos(tmp_path, length):
    source = make_video(tmp_path / 'in.mp4', length)
    net = CDVDNet(7, 3, 4, 1, flow_estimator=None, predict_residual=True)
    report = deblur_video(FrameRestorer(net), source, tmp_path / 'out.mp4')
    assert report.num_frames == length == len(images(tmp_path / 'out.mp4'))


def test_size_change(tmp_path, restorer):
    source = tmp_path / 'in'
    source.mkdir()
    for k in range(6):
        size = (32, 24) if k < 3 else (40, 32)
        cv2.imwrite(str(source / f'{k}.png'), moving_picture(k, size)[..., ::-1])
    deblur_video(restorer, source, tmp_path / 'out')
    assert [i.shape[:2] for i in images(tmp_path / 'out')] == [(24, 32)] * 3 + [(32, 40)] * 3
    assert close(images(tmp_path / 'out')[:3], expected(source, (3, ))[:3], .6)
    deblur_video(restorer, source, tmp_path / 'out.mp4', DeblurOptions(compare=True))
    assert {i.shape[:2] for i in images(tmp_path / 'out.mp4')} == {(24, 64)}


class Stop(Exception):
    pass


def interrupted(restorer, source, output, after, error=Stop, **options):
    """Run until ``after`` frames are done, then break off."""
    def on_frame(done, _):
        if done == after:
            raise error

    with pytest.raises(error):
        deblur_video(restorer, source, output, DeblurOptions(**options), on_frame=on_frame)


@pytest.mark.parametrize('name', ['out.mp4', 'out.mkv', 'out.webm', 'out.gif', 'out'])
def test_resume(tmp_path, restorer, name):
    """No frame lost or doubled, and the same pictures as without interruption."""
    source = make_video(tmp_path / 'in.mp4', 16, audio=True, cuts=(8, ))
    output = tmp_path / name
    options = {'scene_cuts': True, 'segment_frames': 4}
    interrupted(restorer, source, output, 6, **options)
    assert not output.exists() and Path(f'{output}.parts').is_dir()
    restorer.reset()
    interrupted(restorer, source, output, 11, **options)
    report = deblur_video(restorer, source, output, DeblurOptions(**options))
    assert report.num_resumed in ((8, ) if output.suffix else (11, ))
    whole = output.with_name(f'whole{output.suffix}')
    deblur_video(restorer, source, whole, DeblurOptions(**options))
    a, b = images(output), images(whole)
    assert len(a) == len(b) == 16 and all(np.array_equal(x, y) for x, y in zip(a, b))
    if output.suffix == '.mp4':
        assert output.read_bytes() == whole.read_bytes()
    assert not list(tmp_path.glob('*.parts'))


def test_resume_with_other_settings_is_refused(tmp_path, restorer):
    source = make_video(tmp_path / 'in.mp4', 10)
    interrupted(restorer, source, tmp_path / 'out.mp4', 6, segment_frames=2)
    with pytest.raises(ValueError, match='other settings.*compare: False -> True'):
        deblur_video(restorer, source, tmp_path / 'out.mp4', DeblurOptions(compare=True))
    report = deblur_video(restorer, source, tmp_path / 'out.mp4',
                          DeblurOptions(compare=True, resume=False))
    assert report.num_resumed == 0 and report.num_frames == 10


def test_interruption_keeps_what_is_done(tmp_path):
    """Ctrl-C in the computing thread: even the segment in progress is finished."""
    source = make_video(tmp_path / 'in.mp4', 12)

    class Interrupted(Brighten):
        calls = 0

        def forward(self, frames):
            Interrupted.calls += 1
            if Interrupted.calls == 8:
                raise KeyboardInterrupt
            return super().forward(frames)

    with pytest.raises(KeyboardInterrupt):
        deblur_video(FrameRestorer(Interrupted()), source, tmp_path / 'out.mp4')
    report = deblur_video(FrameRestorer(Brighten()), source, tmp_path / 'out.mp4')
    assert report.num_resumed == 7 and report.num_frames == 12
    assert close(images(tmp_path / 'out.mp4'), expected(source))
    assert threading.active_count() < 10


def test_full_disk(tmp_path, restorer, monkeypatch):
    """The error is told, no output carries the name, and work goes on when there is room."""
    source = make_video(tmp_path / 'in.mp4', 12)
    add, count = SegmentWriter.add, [0]

    def full(self, packet):
        count[0] += 1
        if count[0] > 7:
            raise OSError(errno.ENOSPC, 'No space left on device')
        add(self, packet)

    monkeypatch.setattr(SegmentWriter, 'add', full)
    with pytest.raises(OSError, match='No space left'):
        deblur_video(restorer, source, tmp_path / 'out.mp4', DeblurOptions(segment_frames=3))
    assert not (tmp_path / 'out.mp4').exists()
    monkeypatch.setattr(SegmentWriter, 'add', add)
    report = deblur_video(restorer, source, tmp_path / 'out.mp4', DeblurOptions(segment_frames=3))
    assert report.num_resumed == 6 and len(images(tmp_path / 'out.mp4')) == 12


def test_full_disk_while_joining(tmp_path, restorer, monkeypatch):
    source = make_video(tmp_path / 'in.mp4', 6)

    def full(path, *_):
        Path(path).write_bytes(b'half')
        raise OSError(errno.ENOSPC, 'No space left on device')

    with monkeypatch.context() as patch:
        patch.setattr(sinks, 'write_container', full)
        with pytest.raises(OSError, match='No space left'):
            deblur_video(restorer, source, tmp_path / 'out.mp4')
    assert not (tmp_path / 'out.mp4').exists()
    report = deblur_video(restorer, source, tmp_path / 'out.mp4')
    assert report.num_resumed == 6 and len(images(tmp_path / 'out.mp4')) == 6


def test_paths(tmp_path, restorer):
    source = make_video(tmp_path / 'in.mp4', 3)
    before = source.read_bytes()
    (tmp_path / 'link.mp4').symlink_to(source)
    (tmp_path / 'file').write_text('')
    (tmp_path / 'full').mkdir()
    (tmp_path / 'full' / 'a.txt').write_text('')
    for output, kind, message in (
            (source, ValueError, 'same'), (tmp_path / 'link.mp4', ValueError, 'same'),
            (tmp_path / 'file', ValueError, 'exists'), (tmp_path / 'full', ValueError, 'empty'),
            (tmp_path / 'file' / 'out.mp4', OSError, 'cannot write'),
            (tmp_path / 'out.png', ValueError, 'one picture'),
            (tmp_path / 'out.doc', ValueError, 'expected a name ending in')):
        with pytest.raises(kind, match=message):
            deblur_video(restorer, source, output)
    with pytest.raises(FileNotFoundError, match='no such input'):
        deblur_video(restorer, tmp_path / 'missing.mp4', tmp_path / 'out.mp4')
    assert source.read_bytes() == before and not list(tmp_path.glob('*.parts'))
    deblur_video(restorer, source, tmp_path / 'new' / 'folders' / 'out.mp4')
    assert len(images(tmp_path / 'new' / 'folders' / 'out.mp4')) == 3


@pytest.mark.skipif(os.geteuid() == 0, reason='the super-user may write anywhere')
def test_folder_without_permission(tmp_path, restorer):
    source = make_video(tmp_path / 'in.mp4', 3)
    (tmp_path / 'closed').mkdir(mode=0o500)
    with pytest.raises(OSError, match='no permission'):
        deblur_video(restorer, source, tmp_path / 'closed' / 'out.mp4')


def test_one_run_at_a_time(tmp_path, restorer):
    source = make_video(tmp_path / 'in.mp4', 5)

    def on_frame(done, _):
        if done == 1:
            with pytest.raises(ValueError, match='another run'):
                deblur_video(FrameRestorer(Brighten()), source, tmp_path / 'out.mp4')

    deblur_video(restorer, source, tmp_path / 'out.mp4', on_frame=on_frame)


@pytest.mark.parametrize('options, message', [
    ({'start': -1}, 'negative'), ({'start': 2, 'end': 1}, 'after start'),
    ({'segment_frames': 0}, '1 or more'), ({'fps': 0}, 'positive')])
def test_wrong_options(options, message):
    with pytest.raises(ValueError, match=message):
        DeblurOptions(**options)


def test_memory_does_not_grow(tmp_path):
    """60 and 600 frames: the same number of frames alive, the same peak of Python's memory."""
    import tracemalloc
    peaks = {}
    for length in (60, 600):
        source = make_video(tmp_path / f'{length}.mp4', length, (64, 64), options={
            'preset': 'ultrafast'})
        restorer = FrameRestorer(Brighten(), tile=None)
        options = DeblurOptions(codec_options={'preset': 'ultrafast', 'threads': '1'})
        tracemalloc.start()
        deblur_video(restorer, source, tmp_path / f'out{length}.mp4', options)
        peaks[length] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    frame = 64 * 64 * 3
    assert peaks[600] < 1.05 * peaks[60] + 4 * frame + 600 * 200, peaks
