"""Which stream is the film."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from video_files import ffmpeg, needs_ffmpeg

from cdvd_mm.video import open_reader

FILM = 'color=white:s=64x48:r=10:d=0.4'
PREVIEW = 'testsrc2=s=32x32:r=10:d=0.4'
CODED = ('-c:v', 'libx264', '-pix_fmt', 'yuv420p')


def is_white(path: Path) -> bool:
    """Whether the film, and all of it, was read."""
    with open_reader(path) as reader:
        frames = list(reader.frames())
        assert (reader.info.width, reader.info.height) == (64, 48)
    return len(frames) == 4 and all(np.mean(frame.image) > 250 for frame in frames)


@needs_ffmpeg
@pytest.mark.parametrize('first', ['film', 'other'])
@pytest.mark.parametrize('other, marks', [
    ('cover', ('attached_pic', 'default')), ('cover', ('attached_pic', '0')),
    ('preview', ('0', 'default')), ('preview', ('default', 'default'))])
@pytest.mark.parametrize('suffix', ['.mp4', '.mov', '.mkv'])
def test_the_film_is_no_cover_and_no_preview(tmp_path, suffix, other, marks, first):
    """The default one, then the largest."""
    place = 0 if first == 'other' else 1
    order = ('-map', '1', '-map', '0') if first == 'other' else ('-map', '0', '-map', '1')
    coded, length = CODED, '0.4'
    if other == 'cover':
        coded = (*CODED, f'-c:v:{place}', 'mjpeg', f'-pix_fmt:v:{place}', 'yuvj420p')
        length = '0.1'
    ffmpeg('-f', 'lavfi', '-i', FILM, '-f', 'lavfi', '-t', length, '-i', PREVIEW, *order, *coded,
           f'-disposition:v:{place}', marks[0], f'-disposition:v:{1 - place}', marks[1],
           tmp_path / f'in{suffix}')
    assert is_white(tmp_path / f'in{suffix}')


@needs_ffmpeg
def test_the_default_film_is_smaller(tmp_path):
    ffmpeg('-f', 'lavfi', '-i', FILM, '-f', 'lavfi', '-i', 'testsrc2=s=128x96:r=10:d=0.4',
           '-map', '1', '-map', '0', *CODED, '-disposition:v:0', '0', '-disposition:v:1', 'default',
           tmp_path / 'in.mkv')
    assert is_white(tmp_path / 'in.mkv')


@needs_ffmpeg
@pytest.mark.parametrize('suffix', ['.m4a', '.mp3', '.mka', '.flac'])
def test_sound_with_a_cover_is_no_film(tmp_path, suffix):
    ffmpeg('-f', 'lavfi', '-i', PREVIEW, '-frames:v', '1', tmp_path / 'cover.jpg')
    cover = ('-attach', tmp_path / 'cover.jpg', '-metadata:s:t', 'mimetype=image/jpeg') \
        if suffix == '.mka' else ('-i', tmp_path / 'cover.jpg', '-map', '0', '-map', '1',
                                  '-c:v', 'copy', '-disposition:v', 'attached_pic')
    ffmpeg('-f', 'lavfi', '-i', 'sine=d=0.3', *cover, tmp_path / f'in{suffix}')
    with pytest.raises(ValueError, match='is not a video: found .*audio'):
        open_reader(tmp_path / f'in{suffix}')


def test_an_animated_avif_has_all_its_frames(tmp_path):
    """Its first picture is a stream of its own."""
    with av.open(str(tmp_path / 'in.avif'), 'w') as output:
        stream = output.add_stream('libsvtav1', rate=10)
        stream.width, stream.height = 64, 64
        for k in range(5):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 40 * k, np.uint8), 'rgb24')
            frame.pts, frame.time_base = k, Fraction(1, 10)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    with open_reader(tmp_path / 'in.avif') as reader:
        means = [np.mean(frame.image) for frame in reader.frames()]
    assert means == pytest.approx([0, 40, 80, 120, 160], abs=4)
