from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

pytest.importorskip('av')

from video_files import images, make_video, moving_picture, packets, psnr  # noqa: E402

from cdvd_mm.video import (  # noqa: E402
    SegmentEncoder,
    SegmentStore,
    open_reader,
    plan_encoding,
    select_frames,
    write_container,
)
from cdvd_mm.video.carry import check_output, plan_carry  # noqa: E402
from cdvd_mm.video.container import _decoding_times  # noqa: E402
from cdvd_mm.video.segments import SegmentWriter, StoredPacket, write_segment  # noqa: E402


def rewrite(source: Path, output: Path, segment: int = 5, **options) -> None:
    """Decode and encode again, in segments, everything else copied."""
    folder = output.with_suffix('.parts')
    folder.mkdir()
    with open_reader(source) as reader:
        info = reader.info
        spec = plan_encoding(info, output, (info.width, info.height), **options)
        encoder, count = None, 0
        for frame in reader.frames():
            encoder = encoder or SegmentEncoder(spec, SegmentWriter(folder, count))
            scale = info.time_base / spec.time_base
            encoder.encode(frame.image, round(frame.pts * scale), round(frame.duration * scale))
            count += 1
            if encoder.count == segment:
                encoder.finish()
                encoder = None
        if encoder:
            encoder.finish()
    store = SegmentStore(folder)
    assert store.num_frames() == count
    carry = plan_carry(spec, None if info.is_folder else source)
    found = write_container(output, spec, store.paths(), carry)
    assert check_output(output, spec, store.paths(), carry, found) == []


@pytest.mark.parametrize('suffix', ['.mp4', '.mov', '.mkv'])
def test_what_a_container_says_survives(tmp_path, suffix):
    """Rate, rotation, pixel aspect, colour, audio and subtitles, bit for bit."""
    source = make_video(
        tmp_path / f'in{suffix}', audio=True, subtitles=suffix == '.mkv', rotation=90,
        sample_aspect_ratio=Fraction(4, 3), color=(2, 1, 1, 1))
    output = tmp_path / f'out{suffix}'
    rewrite(source, output)
    with open_reader(source) as a, open_reader(output) as b:
        assert b.info.rate == Fraction(30000, 1001) == a.info.rate
        assert b.info.rotation == 90 and b.info.display_matrix == a.info.display_matrix
        assert b.info.sample_aspect_ratio == Fraction(4, 3)
        assert (b.info.color.matrix, b.info.color.primaries, b.info.color.transfer) == (1, 1, 1)
        assert b.info.color.range == 2
        before, after = list(a.frames()), list(b.frames())
    assert [f.pts * a.info.time_base for f in before] == pytest.approx(
        [f.pts * b.info.time_base for f in after], abs=1e-3)
    assert min(psnr(x.image, y.image) for x, y in zip(before, after)) > 38
    sound = packets(source, 'audio')
    assert len(sound) > 3 and packets(output, 'audio') == sound
    if suffix == '.mkv':
        assert [p[1] for p in packets(output, 'subtitle')] == [b'line 0', b'line 1']
    if suffix != '.mov':  # QuickTime has its own short list of languages
        with av.open(str(output)) as container:
            assert container.streams.audio[0].metadata['language'] == 'deu'


def test_mp4_subtitles_are_copied(tmp_path):
    source = make_video(tmp_path / 'in.mp4', subtitles=True)
    rewrite(source, tmp_path / 'out.mp4')
    found = packets(source, 'subtitle')
    assert any(b'line 1' in data for _, data in found)
    assert packets(tmp_path / 'out.mp4', 'subtitle') == found


def test_variable_frame_rate(tmp_path):
    pts = [0, 3000, 6000, 7500, 30000, 33000, 90000, 90100, 91000, 99000]
    source = make_video(tmp_path / 'in.mp4', 10, pts=pts, time_base=Fraction(1, 90000))
    rewrite(source, tmp_path / 'out.mp4', segment=3)
    with open_reader(tmp_path / 'out.mp4') as reader:
        assert [round(f.pts * reader.info.time_base * 90000) for f in reader.frames()] == pts


def test_ten_bit(tmp_path):
    source = make_video(tmp_path / 'in.mp4', 6, size=(64, 64), codec='libx265',
                        pix_fmt='yuv420p10le', options={'x265-params': 'log-level=none:crf=4'})
    rewrite(source, tmp_path / 'out.mp4', segment=4)
    with open_reader(source) as a, open_reader(tmp_path / 'out.mp4') as b:
        assert b.info.bit_depth == 10 and b.info.pix_fmt == 'yuv420p10le'
        for x, y in zip(a.frames(), b.frames()):
            assert x.image.dtype == np.uint16
            assert psnr(x.image, y.image, 65535) > 36


@pytest.mark.parametrize('matrix, full, expected', [
    (1, 1, (69, 3, 0)), (1, 2, (76, 18, 0)), (6, 1, (63, 1, 0)), (9, 1, (65, 0, 0))])
def test_matrix_and_range(matrix, full, expected):
    """Y, U, V = 26, 90, 160 by the definitions of BT.709, 601 and 2020."""
    if matrix == 9 and not hasattr(av.video.reformatter.Colorspace, 'BT2020'):
        pytest.skip(f'PyAV {av.__version__} takes BT.2020 for BT.601 (both ways)')
    from cdvd_mm.video.color import ColorTags, frame_to_rgb, rgb_to_frame
    planes = np.full((48, 32), 26, np.uint8)
    planes[32:40], planes[40:] = 90, 160
    tags = ColorTags(full, matrix, matrix, matrix)
    rgb = frame_to_rgb(av.VideoFrame.from_ndarray(planes, 'yuv420p'), tags, deep=False)
    assert np.abs(rgb[16, 16].astype(int) - expected).max() <= 1
    smooth = moving_picture(3, (64, 48))
    again = frame_to_rgb(rgb_to_frame(smooth, 'yuv444p', tags), tags, deep=False)
    assert psnr(smooth, again) > 45


@pytest.mark.parametrize('name, kind', [
    ('a.webm', {'codec': 'libvpx-vp9'}), ('a.gif', {'codec': 'gif', 'pix_fmt': 'rgb8',
                                                         'rate': Fraction(25)})])
def test_other_containers(tmp_path, name, kind):
    source = make_video(tmp_path / name, 9, **kind)
    output = tmp_path / f'out{source.suffix}'
    rewrite(source, output, segment=4)
    before, after = images(source), images(output)
    assert len(before) == len(after) == 9
    assert min(psnr(a, b) for a, b in zip(before, after)) > 30
    assert output.read_bytes().count(b'GIF89a') == (source.suffix == '.gif')


@pytest.mark.parametrize('size', [(49, 33), (16, 16), (48, 31)])
def test_odd_and_tiny_sizes(tmp_path, size):
    folder = tmp_path / 'in'
    folder.mkdir()
    for k in range(3):
        cv2.imwrite(str(folder / f'{k}.png'), moving_picture(k, size)[..., ::-1])
    rewrite(folder, tmp_path / 'out.mp4')
    assert [i.shape for i in images(tmp_path / 'out.mp4')] == [(size[1], size[0], 3)] * 3


def test_folder_in_natural_order_and_damage(tmp_path):
    for k in (10, 9, 2, 1):
        cv2.imwrite(str(tmp_path / f'frame{k}.png'), np.full((16, 16, 3), k * 20, np.uint8))
    (tmp_path / 'frame3.png').write_bytes(b'not a picture')
    reader = open_reader(tmp_path, fps=24)
    frames = list(reader.frames())
    assert [f.name for f in frames] == ['frame1', 'frame2', 'frame9', 'frame10']
    assert [f.image[0, 0, 0] for f in frames] == [20, 40, 180, 200]
    assert reader.damage == ['frame3.png cannot be read'] and reader.info.rate == 24


def test_sixteen_bit_pictures(tmp_path):
    cv2.imwrite(str(tmp_path / 'a.png'), np.full((16, 16, 3), 12345, np.uint16))
    reader = open_reader(tmp_path)
    assert next(reader.frames()).image[0, 0, 0] == 12345 and reader.info.bit_depth == 16


@pytest.mark.parametrize('name, content, message', [
    ('a.mp4', b'', 'empty'), ('a.mp4', bytes(3000), 'not a video'),
    ('a.txt', b'hello\n' * 50, 'not a video'), ('missing.mp4', None, 'no such input')])
def test_no_video(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        open_reader(tmp_path / name)


def test_folder_without_frames_and_sound_without_pictures(tmp_path):
    with pytest.raises(ValueError, match='no frames'):
        open_reader(tmp_path)
    source = make_video(tmp_path / 'in.mp4', audio=True)
    with av.open(str(source)) as a, av.open(str(tmp_path / 'sound.mp4'), 'w') as b:
        copy = b.add_stream_from_template(a.streams.audio[0], opaque=True)
        for packet in a.demux(a.streams.audio[0]):
            if packet.size:
                packet.stream = copy
                b.mux(packet)
    with pytest.raises(ValueError, match='found audio, expected a video stream'):
        open_reader(tmp_path / 'sound.mp4')


@pytest.mark.parametrize('name', ['a.mp4', 'a.mkv'])
def test_truncated_file_is_told(tmp_path, name):
    source = make_video(tmp_path / name, 30, faststart=True, options={'g': '5', 'bf': '0'})
    data = source.read_bytes()
    source.write_bytes(data[:int(len(data) * .6)])
    reader = open_reader(source)
    assert 3 < sum(1 for _ in reader.frames()) < 30
    assert reader.damage and 'cut off' in ' '.join(reader.damage)


def test_whole_files_are_not_called_damaged(tmp_path):
    for name, codec in (('a.mp4', 'libx264'), ('a.mkv', 'libx264'), ('a.webm', 'libvpx-vp9')):
        reader = open_reader(make_video(tmp_path / name, audio=name != 'a.webm', codec=codec))
        assert sum(1 for _ in reader.frames()) == 12 and not reader.damage


def test_index_at_the_end_missing(tmp_path):
    source = make_video(tmp_path / 'a.mp4')
    source.write_bytes(source.read_bytes()[:-400])
    with pytest.raises(ValueError, match='cut off before its index'):
        open_reader(source)


def test_select_frames(tmp_path):
    reader = open_reader(make_video(tmp_path / 'a.mp4', 20, rate=Fraction(10)))

    def chosen(**options):
        frames = select_frames(reader.frames(), reader.info, **options)
        return [(round(f.pts * reader.info.time_base * 10), f.wanted) for f in frames]

    assert chosen() == [(k, True) for k in range(20)]
    assert chosen(start=.5, end=.8) == [(3, False), (4, False), (5, True), (6, True), (7, True),
                                       (8, False), (9, False)]
    assert chosen(start=.5, end=.8, skip=2, context=1) == [(6, False), (7, True), (8, False)]
    assert chosen(skip=18) == [(16, False), (17, False), (18, True), (19, True)]
    assert chosen(end=.2, skip=2) == []


def test_seeking_finds_the_same_frames(tmp_path):
    source = make_video(tmp_path / 'a.mp4', 60, rate=Fraction(10), options={'g': '7'})
    reader = open_reader(source)
    slow = [f.pts for f in select_frames(reader.frames(), reader.info, start=4., end=4.5)]
    first = next(iter(reader.frames(start=4.)))
    fast = [f.pts for f in select_frames(reader.frames(start=4.), reader.info, start=4., end=4.5)]
    assert fast == slow and len(slow) == 9 and first.pts > 0


def test_plan_errors(tmp_path):
    info = open_reader(make_video(tmp_path / 'a.mp4')).info
    for output, options, message in (
            ('b.wmv', {}, 'expected a name ending in'), ('b.mp4', {'codec': 'wat'}, 'no encoder'),
            ('b.webm', {'codec': 'h264'}, 'cannot hold'), ('b.mp4', {'codec': 'aac'}, 'audio'),
            ('b.mkv', {'codec': 'ffv1', 'quality': 3}, 'no meaning')):
        with pytest.raises(ValueError, match=message):
            plan_encoding(info, output, (48, 32), **options)
    with pytest.raises(ValueError, match='refuses these settings'):
        spec = plan_encoding(info, 'b.mp4', (48, 32), codec_options={'preset': 'nonsense'})
        SegmentEncoder(spec, SegmentWriter(tmp_path, 0))


def test_segments(tmp_path):
    packet = StoredPacket(3, 2, True, b'abc')
    write_segment(tmp_path, 0, [packet] * 2, b'xyz', 7)
    write_segment(tmp_path, 2, [packet] * 3)
    write_segment(tmp_path, 9, [packet])  # after a gap
    SegmentWriter(tmp_path, 5).add(packet)  # never closed
    store = SegmentStore(tmp_path)
    assert store.num_frames() == 5 and len(store.paths()) == 2
    store.drop_leftovers()
    assert len(list(tmp_path.iterdir())) == 2
    store.paths()[0].write_bytes(b'cut')
    from cdvd_mm.video.segments import read_footer
    with pytest.raises(ValueError, match='not a whole segment'):
        read_footer(store.paths()[0])


def test_decoding_times():
    order = [0, 9, 3, 6, 12, 30, 20]
    times = _decoding_times(order)
    assert all(a < b for a, b in zip(times, times[1:]))
    assert all(d <= p for d, p in zip(times, order))
    assert _decoding_times([0, 3, 6]) == [0, 3, 6]
