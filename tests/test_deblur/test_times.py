"""Times of frames and of what is copied: as FFmpeg's program has them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip('av')

from unchanging import deblur  # noqa: E402
from video_files import ffmpeg, needs_ffmpeg, probe  # noqa: E402

pytestmark = needs_ffmpeg
FILM = ('-f', 'lavfi', '-i', 'testsrc2=s=32x32:r=10:d=1')
TONE = ('-f', 'lavfi', '-i', 'sine=r=8000:d=1')
H264 = ('-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p', '-bf', '2')
MPEG2 = ('-c:v', 'mpeg2video', '-bf', '2', '-c:a', 'mp2', '-ar', '32000')


def times(path: Path, kind: str) -> list[float]:
    """Presentation times of a stream's packets, rising."""
    found = probe(path, '-select_streams', kind, '-show_entries', 'packet=pts_time')['packets']
    return sorted(float(packet['pts_time']) for packet in found)


def as_ffmpeg_copies(source: Path, output: Path) -> None:
    """Hold times of pictures and sound to those of ``ffmpeg -c copy``."""
    copy = source.with_name('copy.mkv')
    ffmpeg('-i', source, '-c', 'copy', copy)
    for kind in ('v', 'a'):
        assert times(output, kind) == pytest.approx(times(copy, kind), abs=.0025), kind
    assert float(probe(output)['format']['start_time']) == pytest.approx(0, abs=.001)


# -- clocks


@pytest.fixture(scope='module')
def parts(tmp_path_factory) -> Path:
    """Transport streams and a program stream of one second."""
    folder = tmp_path_factory.mktemp('parts')
    ffmpeg(*FILM, *TONE, *H264, '-c:a', 'aac', folder / 'a.ts')
    ffmpeg(*FILM, *TONE, *MPEG2, folder / 'a.vob')
    return folder


@pytest.mark.parametrize('offsets, suffix', [
    ((47000, ), '.mp4'), ((95442.2, ), '.mp4'), ((95430, ), '.mkv'), ((12, 0), '.mp4'),
    ((0, 30), '.mkv'), ((0, 2), '.mp4'), ((3, 0), '.mkv'), ((47000, 0, 600), '.mkv')])
def test_clocks_that_start_anywhere_and_jump(tmp_path, parts, offsets, suffix):
    """Receivers' clocks, the 33 bit wrap (in the middle, and soon to come), joined recordings."""
    source = tmp_path / 'in.ts'
    with open(source, 'wb') as file:
        for offset in offsets:
            ffmpeg('-i', parts / 'a.ts', '-c', 'copy', '-output_ts_offset', offset,
                   tmp_path / 'part.ts')
            file.write((tmp_path / 'part.ts').read_bytes())
    report = deblur(source, tmp_path / f'out{suffix}')
    assert report.num_frames == 10 * len(offsets)
    assert not report.damage or offsets == (0, 2)  # which looks as if something were missing
    as_ffmpeg_copies(source, tmp_path / f'out{suffix}')


def test_joined_program_streams(tmp_path, parts):
    source = tmp_path / 'in.vob'
    source.write_bytes(2 * (parts / 'a.vob').read_bytes())
    assert not deblur(source, tmp_path / 'out.mkv').damage
    seen = times(tmp_path / 'out.mkv', 'v')
    assert seen == pytest.approx([seen[0] + k / 10 for k in range(20)], abs=.002)
    assert times(tmp_path / 'out.mkv', 'a')[-1] == pytest.approx(2.0, abs=.1)


def test_a_part_after_a_jump(tmp_path, parts):
    """--start counts from the first frame, whatever the clock does."""
    source = tmp_path / 'in.ts'
    source.write_bytes(6 * (parts / 'a.ts').read_bytes())
    report = deblur(source, tmp_path / 'out.mkv', start=4., end=4.5)
    assert report.num_frames == 5
    seen = times(tmp_path / 'out.mkv', 'v')
    assert seen == pytest.approx([seen[0] + k / 10 for k in range(5)], abs=.002)


@pytest.mark.parametrize('late, suffix', [('v', '.mkv'), ('a', '.mkv'), ('v', '.mp4'),
                                          ('a', '.mp4')])
def test_streams_that_begin_at_different_times(tmp_path, late, suffix):
    source, output = tmp_path / f'in{suffix}', tmp_path / f'out{suffix}'
    delays = {'v': (), 'a': (), late: ('-itsoffset', '0.5')}
    ffmpeg(*delays['v'], *FILM, *delays['a'], *TONE, *H264, '-c:a', 'aac', '-fps_mode', 'vfr',
           source)
    deblur(source, output)
    before, after = ([float(stream['start_time']) for stream in probe(path)['streams']]
                     for path in (source, output))
    assert after == pytest.approx(before, abs=.002) and abs(before[0] - before[1]) > .3


# -- times that do not rise


@pytest.mark.parametrize('places, suffix', [
    ({30: 27}, '.mkv'), ({30: 10}, '.mp4'), ({20: 19}, '.mov'),
    ({20: 19, 25: 2, 31: 30}, '.mkv'), ({1: 0}, '.mp4')])
def test_sound_that_goes_back_in_time(tmp_path, places, suffix):
    """No muxer takes it; it must not end the work after all frames are done."""
    source, output = tmp_path / 'in.mkv', tmp_path / f'out{suffix}'
    ffmpeg(*FILM, '-f', 'lavfi', '-i', 'sine=r=44100:d=1', *H264, '-c:a', 'aac',
           '-cluster_time_limit', '30000', source)
    data = bytearray(source.read_bytes())
    blocks = [match.start(1) for match in re.finditer(
        rb'\xa3(?:[\x81-\xfe]|[\x40-\x7f].)\x82(..)\x80', data, re.DOTALL)]
    for place, other in places.items():
        data[blocks[place]:blocks[place] + 2] = data[blocks[other]:blocks[other] + 2]
    source.write_bytes(data)
    deblur(source, output)
    as_ffmpeg_copies(source, output)


def test_recordings_that_overlap_a_little(tmp_path, parts):
    """Less than what counts as a jump."""
    source, output = tmp_path / 'in.ts', tmp_path / 'out.mp4'
    ffmpeg('-i', parts / 'a.ts', '-c', 'copy', '-output_ts_offset', 1.09, tmp_path / 'b.ts')
    source.write_bytes((parts / 'a.ts').read_bytes() + (tmp_path / 'b.ts').read_bytes())
    sound = [float(packet['pts_time']) for packet in probe(
        source, '-select_streams', 'a', '-show_entries', 'packet=pts_time')['packets']]
    assert sound != sorted(sound)
    assert deblur(source, output).num_frames == 20
    as_ffmpeg_copies(source, output)


# -- rates and durations


@pytest.mark.parametrize('name, options, rate', [
    ('in.h264', (*H264, '-bf', '0'), 10), ('in.h264', H264, 10), ('in.m2v', MPEG2[:4], 10),
    ('in.hevc', ('-c:v', 'libx265', '-x265-params', 'log-level=none'), 10),
    ('in.avi', H264, 10), ('in.avi', ('-c:v', 'mpeg4', '-bf', '2'), 10),
    ('in.dv', ('-s', '720x576', '-r', '25', '-c:v', 'dvvideo', '-pix_fmt', 'yuv420p'), 25),
    ('in.flv', ('-c:v', 'flv'), 10), ('in.wmv', ('-c:v', 'wmv2'), 10),
    ('in.webm', ('-c:v', 'libvpx', '-live', '1'), 10)])
def test_rates(tmp_path, name, options, rate):
    """Raw streams, and containers that know little of times."""
    ffmpeg(*FILM, *options, tmp_path / name)
    report = deblur(tmp_path / name, tmp_path / 'out.mp4', codec_options={'preset': 'ultrafast'})
    found = probe(tmp_path / 'out.mp4')
    assert report.num_frames == rate and not report.damage
    assert found['streams'][0]['r_frame_rate'] == f'{rate}/1'
    assert float(found['streams'][0]['start_time']) == pytest.approx(0, abs=.05)
    assert float(found['format']['duration']) == pytest.approx(1, abs=1.01 / rate)


@pytest.mark.parametrize('source, frames, output', [
    ('mp4', 0, 'mkv'), ('mp4', 2, 'mp4'), ('mkv', 2, 'mp4'), ('mp4', 2, 'mkv')])
def test_the_last_frame_of_a_variable_rate(tmp_path, source, frames, output):
    """Fast, then slow (a screen recording), with and without B-frames."""
    ffmpeg('-f', 'lavfi', '-i', "testsrc2=s=32x32:r=20:d=7,select='lt(t,1)+not(mod(n,40))'", *H264,
           '-bf', frames, '-fps_mode', 'vfr', '-video_track_timescale', 90000,
           tmp_path / f'in.{source}')
    deblur(tmp_path / f'in.{source}', tmp_path / f'out.{output}')
    assert times(tmp_path / f'out.{output}', 'v') == pytest.approx(
        times(tmp_path / f'in.{source}', 'v'), abs=.002)
    assert float(probe(tmp_path / f'out.{output}')['format']['duration']) == pytest.approx(
        float(probe(tmp_path / f'in.{source}')['format']['duration']), abs=.05)
