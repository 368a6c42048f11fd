"""What a file carries beside its pictures, judged by ffprobe."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import pytest
import torch

av = pytest.importorskip('av')

from mmengine.logging import MMLogger  # noqa: E402
from video_files import make_video  # noqa: E402

from cdvd_mm.deblur.job import deblur_video  # noqa: E402
from cdvd_mm.deblur.options import DeblurOptions  # noqa: E402
from cdvd_mm.inference.frame_restorer import FrameRestorer  # noqa: E402

pytestmark = pytest.mark.skipif(
    shutil.which('ffmpeg') is None or shutil.which('ffprobe') is None,
    reason='needs the programs ffmpeg and ffprobe')
WORDS = '1\n00:00:00,200 --> 00:00:00,500\nhello\n\n2\n00:00:00,700 --> 00:00:01,100\nworld\n'
META = (';FFMETADATA1\ntitle=My title\nartist=Me\n'
        '[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=400\ntitle=One\n'
        '[CHAPTER]\nTIMEBASE=1/1000\nSTART=400\nEND=800\ntitle=Two\n'
        '[CHAPTER]\nTIMEBASE=1/1000\nSTART=800\nEND=1200\ntitle=Three\n')
FILM = ('-f', 'lavfi', '-i', 'testsrc2=s=48x32:r=10:d=1.2')
SOUND = ('-f', 'lavfi', '-i', 'sine=r=48000:d=1.2')
CODED = ('-c:v', 'libx264', '-pix_fmt', 'yuv420p', '-c:a', 'aac')
PHONE = {
    'com.apple.quicktime.make': 'Apple', 'com.apple.quicktime.model': 'iPhone 15',
    'com.apple.quicktime.location.ISO6709': '+48.8577+002.2950+035.0/',
    'com.apple.quicktime.creationdate': '2024-05-06T09:08:09+0200'}


class Same(torch.nn.Module):
    """A window of one, which stays as it is."""

    num_frames = 1
    size_divisor = 4
    min_size = 4

    def forward(self, frames):
        return frames[:, 0]


def ffmpeg(*arguments: object) -> None:
    subprocess.run(['ffmpeg', '-y', '-v', 'error', '-nostdin', *map(str, arguments)], check=True)


def probe(path: Path) -> dict:
    """What ffprobe says of a file: format, streams, chapters."""
    command = ['ffprobe', '-v', 'error', '-of', 'json', '-show_format', '-show_streams',
               '-show_chapters', str(path)]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


def streams(path: Path, kind: str) -> list[dict]:
    return [stream for stream in probe(path)['streams'] if stream['codec_type'] == kind]


def codecs(path: Path) -> list[tuple[str, str]]:
    """Kind and codec of all streams, without those in which mp4 keeps chapters."""
    return [(stream['codec_type'], stream.get('codec_name', '')) for stream in
            probe(path)['streams'] if stream.get('codec_tag_string') not in ('text', 'tmcd')]


def marks(stream: dict) -> set[str]:
    return {name for name, value in stream['disposition'].items() if value}


def words(path: Path, number: int = 0) -> list[tuple[float, float, str]]:
    """Beginning, end and words of a subtitle stream, as FFmpeg turns them into SubRip."""
    text = subprocess.run(['ffmpeg', '-v', 'error', '-i', str(path), '-map', f'0:s:{number}', '-f',
                           'srt', '-'], capture_output=True, check=True, text=True).stdout
    blocks = [block.split('\n') for block in text.strip().split('\n\n')]
    return [(*(float(time[6:].replace(',', '.')) for time in block[1].split(' --> ')), block[2])
            for block in blocks]


def assert_same_words(path: Path, number: int = 0) -> None:
    """Those of WORDS; what shifts all streams (the encoder's delay of sound) is no fault."""
    found = words(path, number)
    assert [word for _, _, word in found] == ['hello', 'world']
    assert [time for *times, _ in found for time in times] == pytest.approx(
        [.2, .5, .7, 1.1], abs=.06)


def tags(path: Path) -> dict[str, str]:
    return {key.lower(): value for key, value in probe(path)['format']['tags'].items()}


def restore(source: Path, output: Path, **options) -> list[str]:
    """Run, and give back the lines of the list of losses."""
    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.extend(record.getMessage().split('\n  - ')[1:])
    logger = MMLogger.get_current_instance()
    logger.addHandler(handler)
    try:
        report = deblur_video(FrameRestorer(Same(), tile=None), source, output,
                              DeblurOptions(**options))
    finally:
        logger.removeHandler(handler)
    assert report.problems == [] and report.damage == []
    return said


@pytest.fixture(scope='module')
def made(tmp_path_factory) -> Path:
    """Folder of small sources."""
    folder = tmp_path_factory.mktemp('carry')
    (folder / 's.srt').write_text(WORDS)
    (folder / 'meta.txt').write_text(META)
    (folder / 'font.ttf').write_bytes(bytes(range(256)) * 8)
    ffmpeg('-f', 'lavfi', '-i', 'color=red:s=32x32', '-frames:v', 1, folder / 'cover.jpg')
    ffmpeg('-i', folder / 'cover.jpg', folder / 'cover.png')
    ffmpeg(*FILM, *SOUND, *SOUND, '-i', folder / 's.srt', '-i', folder / 's.srt', '-i',
           folder / 'meta.txt', '-map', 0, '-map', 1, '-map', 2, '-map', 3, '-map', 4,
           '-map_metadata', 5, '-map_chapters', 5, *CODED, '-c:s:0', 'srt', '-c:s:1', 'ass',
           '-metadata:s:v', 'language=kor', '-metadata:s:a:0', 'language=eng', '-metadata:s:a:0',
           'title=Main', '-metadata:s:a:1', 'language=jpn', '-metadata:s:a:1', 'title=Commentary',
           '-disposition:v', 'default', '-disposition:a:0', 0, '-disposition:a:1',
           'default+comment', '-disposition:s:0', 'forced', '-metadata:s:s:0', 'language=fra',
           '-attach', folder / 'font.ttf', '-metadata:s:t', 'mimetype=application/x-truetype-font',
           folder / 'rich.mkv')
    ffmpeg(*FILM, *SOUND, '-i', folder / 's.srt', '-i', folder / 'meta.txt', '-map', 0, '-map', 1,
           '-map', 2, '-map_metadata', 3, '-map_chapters', 3, *CODED, '-c:s', 'mov_text',
           '-metadata:s:s', 'language=fra', folder / 'rich.mp4')
    ffmpeg(*FILM, *SOUND, *CODED, folder / 'plain.mp4')
    return folder


def test_everything_survives_in_the_same_container(made, tmp_path):
    source, output = made / 'rich.mkv', tmp_path / 'out.mkv'
    assert restore(source, output) == []
    before, after = probe(source), probe(output)
    assert codecs(output) == codecs(source) and len(codecs(output)) == 6
    for a, b in zip(before['streams'], after['streams']):
        for key in ('language', 'title', 'filename', 'mimetype'):
            assert a.get('tags', {}).get(key) == b.get('tags', {}).get(key)
        assert a['disposition'] == b['disposition']
    assert before['chapters'] == after['chapters'] and len(after['chapters']) == 3
    assert tags(output)['title'] == 'My title' and tags(output)['artist'] == 'Me'
    for kind in ('a:0', 'a:1', 's:0', 's:1'):
        data = [subprocess.run(['ffmpeg', '-v', 'error', '-i', str(path), '-map', f'0:{kind}',
                                '-c', 'copy', '-f', 'data', '-'], capture_output=True, check=True)
                .stdout for path in (source, output)]
        assert data[0] == data[1] and data[0]


def test_from_mkv_into_mp4(made, tmp_path):
    output = tmp_path / 'out.mp4'
    said = restore(made / 'rich.mkv', output)
    assert codecs(output) == [('video', 'h264'), ('audio', 'aac'), ('audio', 'aac'),
                              ('subtitle', 'mov_text'), ('subtitle', 'mov_text')]
    assert said == ['subtitle stream 3 (subrip): encoded as mov_text',
                    'subtitle stream 4 (ass): encoded as mov_text',
                    'attachment stream 5 (font.ttf): left out']
    assert_same_words(output)
    assert_same_words(output, 1)
    found = probe(output)['streams']
    assert [stream['tags'].get('language') for stream in found[:4]] == ['kor', 'eng', 'jpn', 'fra']
    assert [stream['tags']['handler_name'] for stream in found[1:3]] == ['Main', 'Commentary']
    assert [marks(stream) for stream in found[1:3]] == [set(), {'default', 'comment'}]
    assert 'forced' in marks(found[3])
    assert [c['tags']['title'] for c in probe(output)['chapters']] == ['One', 'Two', 'Three']


@pytest.mark.parametrize('source, output, codec', [
    ('rich.mp4', 'out.mkv', 'ass'), ('rich.mp4', 'out.webm', 'webvtt'),
    ('rich.mkv', 'out.webm', 'webvtt'), ('rich.mkv', 'out.mov', 'mov_text')])
def test_text_subtitles_are_converted(made, tmp_path, source, output, codec):
    said = restore(made / source, tmp_path / output)
    found = streams(tmp_path / output, 'subtitle')
    assert {stream['codec_name'] for stream in found} == {codec}
    assert_same_words(tmp_path / output)
    assert found[0]['tags']['language'] == 'fra'
    assert sum(f'encoded as {codec}' in line for line in said) == len(found)


@pytest.mark.parametrize('encoder, source, output, codec', [
    ('pcm_s16le', 'in.avi', 'out.mp4', 'aac'), ('pcm_s16be', 'in.mov', 'out.mp4', 'aac'),
    ('aac', 'in.mp4', 'out.webm', 'opus'), ('pcm_u8', 'in.avi', 'out.webm', 'opus'),
    ('flac', 'in.mkv', 'out.mov', 'aac'), ('wmav2', 'in.asf', 'out.mp4', 'aac'),
    ('libvorbis', 'in.mkv', 'out.mov', 'aac'), ('adpcm_ima_wav', 'in.avi', 'out.webm', 'opus')])
def test_sound_that_the_container_cannot_hold_is_encoded(tmp_path, encoder, source, output, codec):
    ffmpeg(*FILM, *SOUND, '-c:v', 'mpeg4', '-c:a', encoder, tmp_path / source)
    said = restore(tmp_path / source, tmp_path / output)
    assert len(said) == 1 and 'encoded as ' in said[0] and said[0].endswith(', mono')
    sound, = streams(tmp_path / output, 'audio')
    assert (sound['codec_name'], sound['channels']) == (codec, 1)
    assert _tone(tmp_path / output) == pytest.approx(_tone(tmp_path / source), abs=2)
    assert _seconds(tmp_path / output) == pytest.approx(1.2, abs=.1)


def _pcm(path: Path):
    import numpy as np
    raw = subprocess.run(['ffmpeg', '-v', 'error', '-i', str(path), '-map', '0:a', '-ac', '1',
                          '-ar', '16000', '-f', 's16le', '-'], capture_output=True, check=True)
    return np.frombuffer(raw.stdout, np.int16).astype(float)


def _tone(path: Path) -> float:
    """The loudest frequency in the middle of the sound, in Hz."""
    import numpy as np
    middle = _pcm(path)[4000:12000]
    return float(np.abs(np.fft.rfft(middle)).argmax() * 16000 / len(middle))


def _seconds(path: Path) -> float:
    return len(_pcm(path)) / 16000


@pytest.mark.parametrize('encoder, source, output', [
    ('pcm_s16le', 'in.mkv', 'out.mov'), ('ac3', 'in.mkv', 'out.mp4'), ('mp2', 'in.mpg', 'out.mp4'),
    ('libopus', 'in.mkv', 'out.mp4'), ('alac', 'in.mov', 'out.mkv'), ('aac', 'in.ts', 'out.mov'),
    ('libmp3lame', 'in.avi', 'out.mkv'), ('libopus', 'in.mkv', 'out.webm')])
def test_sound_that_it_can_hold_is_copied(tmp_path, encoder, source, output):
    ffmpeg(*FILM, '-f', 'lavfi', '-i', 'sine=r=48000:d=1.2', '-c:v', 'mpeg2video', '-c:a', encoder,
           '-r', 25, tmp_path / source)
    assert restore(tmp_path / source, tmp_path / output) == []
    data = [_pcm(path) for path in (tmp_path / source, tmp_path / output)]
    assert abs(len(data[0]) - len(data[1])) <= 1100 and abs(data[0]).max() > 1000


@pytest.mark.parametrize('picture, codec', [('cover.jpg', 'mjpeg'), ('cover.png', 'png')])
@pytest.mark.parametrize('source', ['.mp4', '.mkv'])
@pytest.mark.parametrize('output', ['.mp4', '.mkv'])
def test_a_cover_survives(made, tmp_path, picture, codec, source, output):
    source, output = tmp_path / f'in{source}', tmp_path / f'out{output}'
    cover = ('-attach', made / picture, '-map', 0, '-metadata:s:t',
             f'mimetype=image/{codec.replace("m", "")}') if source.suffix == '.mkv' else (
        '-i', made / picture, '-map', 1, '-map', 0, '-disposition:v:0', 'attached_pic')
    ffmpeg('-i', made / 'plain.mp4', *cover, '-c', 'copy', source)
    assert restore(source, output) == []
    found = [stream for stream in streams(output, 'video') if 'attached_pic' in marks(stream)]
    assert [stream['codec_name'] for stream in found] == [codec]
    ffmpeg('-i', output, '-map', f'0:{found[0]["index"]}', '-c', 'copy', '-f', 'image2', '-update',
           1, tmp_path / 'back')
    assert (tmp_path / 'back').read_bytes() == (made / picture).read_bytes()


def test_a_cover_is_said_to_be_lost(made, tmp_path):
    ffmpeg('-i', made / 'plain.mp4', '-i', made / 'cover.jpg', '-map', 0, '-map', 1, '-c', 'copy',
           '-disposition:v:1', 'attached_pic', tmp_path / 'in.mp4')
    for name in ('out.mov', 'out.webm'):
        assert 'cover stream 2 (mjpeg): left out' in restore(tmp_path / 'in.mp4', tmp_path / name)


@pytest.mark.parametrize('output', ['out.mkv', 'out.mp4', 'out.mov'])
def test_other_films_are_copied(tmp_path, output):
    ffmpeg('-f', 'lavfi', '-i', 'testsrc2=s=32x16:r=10:d=1.2', *FILM, '-map', 0, '-map', 1, *CODED,
           '-g', 4, '-disposition:v:0', 0, '-disposition:v:1', 'default', tmp_path / 'in.mkv')
    assert restore(tmp_path / 'in.mkv', tmp_path / output) == []
    found = streams(tmp_path / output, 'video')
    assert [(stream['width'], 'default' in marks(stream)) for stream in found] == [
        (48, True), (32, False)]
    assert 'video stream 0 (h264): left out' in restore(tmp_path / 'in.mkv', tmp_path / 'o.webm')
    part = tmp_path / f'part{Path(output).suffix}'
    restore(tmp_path / 'in.mkv', part, start=.6)
    decoded = subprocess.run(['ffmpeg', '-v', 'error', '-i', str(part), '-map', '0:v:1', '-f',
                              'framemd5', '-'], capture_output=True, check=True, text=True)
    assert decoded.stderr == '' and len(decoded.stdout.strip().split('\n')) >= 6


@pytest.mark.parametrize('source', ['in.mov', 'in.mp4'])
@pytest.mark.parametrize('output', ['out.mov', 'out.mp4', 'out.mkv', 'out.webm'])
def test_keys_of_phones_survive(made, tmp_path, source, output):
    named = {**PHONE, 'creation_time': '2024-05-06T07:08:09Z'}
    ffmpeg('-i', made / 'plain.mp4', '-c', 'copy', '-movflags', 'use_metadata_tags',
           *(text for key, value in named.items() for text in ('-metadata', f'{key}={value}')),
           tmp_path / source)
    said = restore(tmp_path / source, tmp_path / output)
    assert not any('tags' in line for line in said)
    found = tags(tmp_path / output)
    assert {key.lower(): value for key, value in PHONE.items()}.items() <= found.items()
    assert found['creation_time'].replace('.000000', '') == named['creation_time']


@pytest.mark.parametrize('output', ['out.mov', 'out.mp4', 'out.mkv'])
def test_short_names_of_the_same_keys_survive(made, tmp_path, output):
    named = {'make': 'Canon', 'model': 'EOS', 'location': '+48.8577+002.2950/', 'title': 'Title'}
    ffmpeg('-i', made / 'plain.mp4', '-c', 'copy',
           *(text for key, value in named.items() for text in ('-metadata', f'{key}={value}')),
           tmp_path / 'in.mov')
    assert restore(tmp_path / 'in.mov', tmp_path / output) == []
    assert named.items() <= tags(tmp_path / output).items()


@pytest.mark.parametrize('source', ['rich.mkv', 'rich.mp4'])
@pytest.mark.parametrize('output', ['out.mkv', 'out.mp4'])
def test_chapters_of_a_part(made, tmp_path, source, output):
    """0.3 s to 0.9 s of One (0 to 0.4), Two (to 0.8) and Three (to 1.2); Three ends early."""
    restore(made / source, tmp_path / output, start=.3, end=.9)
    found = [(c['tags']['title'], float(c['start_time']), float(c['end_time']))
             for c in probe(tmp_path / output)['chapters']]
    assert [title for title, _, _ in found] == ['One', 'Two', 'Three']
    assert [t for _, *times in found for t in times] == pytest.approx(
        [0, .1, .1, .5, .5, .6], abs=.03)
    restore(made / source, tmp_path / f'late{output}', start=.5)
    assert [c['tags']['title'] for c in probe(tmp_path / f'late{output}')['chapters']] == [
        'Two', 'Three']


def test_telemetry_is_copied_where_it_can_be(made, tmp_path):
    """A track of subtitles with GoPro's name in place of its own; KLV, as aeroplanes send it."""
    ffmpeg('-i', made / 'plain.mp4', '-i', made / 's.srt', '-map', 0, '-map', 1, '-c', 'copy',
           '-c:s', 'mov_text', tmp_path / 'sub.mp4')
    data = (tmp_path / 'sub.mp4').read_bytes()
    (tmp_path / 'gpmd.mp4').write_bytes(data.replace(b'tx3g', b'gpmd').replace(b'sbtl', b'meta'))
    (tmp_path / 'mebx.mov').write_bytes(data.replace(b'tx3g', b'mebx').replace(b'sbtl', b'meta'))
    for name in ('out.mp4', 'out.mov'):
        assert restore(tmp_path / 'gpmd.mp4', tmp_path / name) == []
        found, = streams(tmp_path / name, 'data')
        assert found['codec_tag_string'] == 'gpmd' and int(found['nb_frames']) >= 4
    for source, output in (('gpmd.mp4', 'out.mkv'), ('mebx.mov', 'mebx.mp4')):
        said = restore(tmp_path / source, tmp_path / output)
        assert len(said) == 1 and said[0].startswith('data stream 2') and 'left out' in said[0]
        assert not streams(tmp_path / output, 'data')


@pytest.mark.parametrize('output', ['out.mov', 'out.mp4', 'out.mkv'])
def test_the_clock_survives(tmp_path, output):
    ffmpeg(*FILM, *CODED, '-r', 25, '-metadata', 'timecode=01:00:00:00', tmp_path / 'in.mov')
    assert restore(tmp_path / 'in.mov', tmp_path / output) == []
    film = streams(tmp_path / output, 'video')[0]['tags']
    assert (film.get('timecode') or film.get('TIMECODE')) == '01:00:00:00'


def test_pictures_and_gif_have_nothing_else(made, tmp_path):
    said = restore(made / 'rich.mkv', tmp_path / 'frames')
    assert 'audio stream 1 (aac): left out' in said and 'chapters: 0 of 3 go in' in said
    assert any('title' in line for line in said)
    assert set(said) <= set(restore(made / 'rich.mkv', tmp_path / 'out.gif'))


def test_strict_refuses(made, tmp_path):
    for name in ('out.mp4', 'frames', 'out.gif', 'new/out.webm'):
        with pytest.raises(ValueError, match=r'(?s)as it is:\n  - .*--strict'):
            restore(made / 'rich.mkv', tmp_path / name, strict=True)
    assert list(tmp_path.iterdir()) == []
    assert restore(made / 'rich.mkv', tmp_path / 'out.mkv', strict=True) == []


def test_losses_are_told_before_the_first_frame(made, tmp_path):
    seen: list[int] = []

    class Counted(Same):
        def forward(self, frames):
            seen.append(len(said))
            return super().forward(frames)

    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())
    MMLogger.get_current_instance().addHandler(handler)
    try:
        deblur_video(FrameRestorer(Counted(), tile=None), made / 'rich.mkv', tmp_path / 'out.mp4')
    finally:
        MMLogger.get_current_instance().removeHandler(handler)
    assert len(said) == 1 and set(seen) == {1}


def test_what_is_not_as_it_should_be_is_told(made, tmp_path, monkeypatch):
    """A stream that gets lost on the way, and a frame too few; the file is kept."""
    from cdvd_mm.deblur import sinks
    original = sinks.write_container

    def lossy(path, spec, segments, carry, offset, end):
        found = original(path, spec, segments, carry, offset, end)
        ffmpeg('-i', path, '-map', '0:v', '-frames:v', 11, '-c', 'copy', '-f', 'mp4',
               path.with_suffix('.cut'))
        path.with_suffix('.cut').rename(path)
        return found

    monkeypatch.setattr(sinks, 'write_container', lossy)
    report = deblur_video(FrameRestorer(Same(), tile=None), made / 'plain.mp4',
                          tmp_path / 'out.mp4')
    assert '11 of 12 frames are in it' in report.problems
    assert 'audio stream 1 (aac): left out' in report.problems
    assert (tmp_path / 'out.mp4').is_file()


def test_a_stream_without_packets_in_the_part(made, tmp_path):
    """The words end before it begins."""
    restore(made / 'rich.mkv', tmp_path / 'out.mp4', start=1.1)
    assert [kind for kind, _ in codecs(tmp_path / 'out.mp4')][:3] == ['video', 'audio', 'audio']
    assert _pcm(tmp_path / 'out.mp4').size


def test_make_video_without_anything_else(tmp_path):
    source = make_video(tmp_path / 'in.mp4', 5, rate=Fraction(10))
    assert restore(source, tmp_path / 'out.mkv') == []
    assert codecs(tmp_path / 'out.mkv') == [('video', 'h264')]
