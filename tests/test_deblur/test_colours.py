"""Colours and pixel formats: what comes in goes out, as ffmpeg decodes it."""

from __future__ import annotations

import functools
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip('av')

from mmengine.logging import MMLogger  # noqa: E402
from unchanging import deblur  # noqa: E402
from video_files import ffmpeg, needs_ffmpeg, probe  # noqa: E402

from cdvd_mm.deblur.options import DeblurOptions  # noqa: E402
from cdvd_mm.deblur.plan import make_plan  # noqa: E402
from cdvd_mm.video import open_reader  # noqa: E402

pytestmark = needs_ffmpeg
SMOOTH = 'testsrc2=s={}:r=10:d=0.2,gblur=3,hue=s=0.5'
LOSSLESS = {'libx264': ('-qp', '0'), 'ffv1': (), 'prores_ks': ('-profile:v', '4444')}


def film(path: Path, pix_fmt: str, codec: str = 'ffv1', size: str = '64x64', scale: str = '',
         options: tuple = ()) -> Path:
    ffmpeg('-f', 'lavfi', '-i', SMOOTH.format(size), '-vf', f'scale={scale},format={pix_fmt}'
           if scale else f'format={pix_fmt}', '-c:v', codec, '-pix_fmt', pix_fmt,
           *LOSSLESS.get(codec, ()), *options, path)
    return path


def planes(path: Path, pix_fmt: str) -> list[np.ndarray]:
    """Luma and chroma of all frames, as ffmpeg decodes them, in 8 bit steps."""
    stream = probe(path, '-show_streams')['streams'][0]
    deep = '10' in pix_fmt or '12' in pix_fmt
    raw = ffmpeg('-noautorotate', '-i', path, '-f', 'rawvideo', '-pix_fmt', pix_fmt, '-')
    samples = np.frombuffer(raw, np.uint16 if deep else np.uint8).reshape(2, -1).astype(float)
    luma = stream['width'] * stream['height']
    chroma = (samples.shape[1] - luma) // 2
    scale = 4 if '10' in pix_fmt else 16 if '12' in pix_fmt else 1
    return [part / scale for part in np.split(samples, (luma, luma + chroma), axis=1)]


def losses(source: Path, output: Path, **options: Any) -> str:
    """What is told before the work."""
    told: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: told.append(record.getMessage())  # type: ignore[method-assign]
    logger = MMLogger.get_current_instance()
    logger.addHandler(handler)
    try:
        with open_reader(source) as reader:
            make_plan(reader, output, DeblurOptions(**options))
    finally:
        logger.removeHandler(handler)
    return '\n'.join(told)


@pytest.mark.parametrize('pix_fmt, color_range, matrix', [
    ('yuv420p', 'pc', 'bt709'), ('yuv420p', 'tv', 'bt709'), ('yuv420p', 'tv', None),
    ('yuv422p', 'pc', 'smpte170m'), ('yuv444p', 'pc', 'bt709'), ('yuv420p10le', 'pc', 'bt2020nc'),
    ('yuv422p10le', 'pc', 'bt709'), ('yuv422p10le', 'tv', 'smpte170m')])
def test_no_channel_is_shifted(tmp_path, pix_fmt, color_range, matrix):
    tags = ('-colorspace', matrix) if matrix else ()
    scale = f'out_range={color_range}' + (f':out_color_matrix={matrix.replace("nc", "")}'
                                          if matrix else '')
    source = film(tmp_path / 'in.mkv', pix_fmt, scale=scale,
                  options=('-color_range', color_range, *tags))
    deblur(source, tmp_path / 'out.mkv', codec='ffv1')
    for before, after in zip(planes(source, pix_fmt), planes(tmp_path / 'out.mkv', pix_fmt)):
        assert abs((after - before).mean()) < .05 and np.abs(after - before).mean() < .3
    found = probe(tmp_path / 'out.mkv')['streams'][0]
    assert found['color_range'] == color_range and found.get('color_space') == matrix


def test_prores_gets_the_limited_range(tmp_path):
    """It has no other one: pictures look the same, the tag tells the truth."""
    source = film(tmp_path / 'in.mkv', 'yuv422p10le', scale='out_range=pc',
                  options=('-color_range', 'pc'))
    deblur(source, tmp_path / 'out.mov', codec='prores')
    before = planes(source, 'yuv422p10le')[0]
    after = planes(tmp_path / 'out.mov', 'yuv422p10le')[0]
    assert np.abs(before * 219 / 255.75 + 16 - after).mean() < .5
    assert probe(tmp_path / 'out.mov')['streams'][0].get('color_range') in (None, 'tv')


@pytest.mark.parametrize('size', ['64x400', '64x720'])
def test_the_guess_of_a_matrix_looks_at_the_source(tmp_path, size):
    """Two pictures, one above the other in a turned film, have more lines than one."""
    source = film(tmp_path / 'in.mp4', 'yuv420p', 'libx264', size)
    turned = tmp_path / 'turned.mp4'
    ffmpeg('-display_rotation', '90', '-i', source, '-c', 'copy', turned) \
        if probe(source, '-show_program_version')['program_version']['version'] >= '6' \
        else ffmpeg('-i', source, '-c', 'copy', '-metadata:s:v:0', 'rotate=90', turned)
    deblur(turned, tmp_path / 'out.mkv', codec='ffv1', compare=True)
    stream = probe(tmp_path / 'out.mkv')['streams'][0]
    lines = int(size[3:])
    assert (stream['width'], stream['height']) == (64, 2 * lines)
    before = planes(source, 'yuv420p')[0].reshape(2, lines, -1)
    after = planes(tmp_path / 'out.mkv', 'yuv420p')[0].reshape(2, 2 * lines, -1)
    for part in (after[:, :lines], after[:, lines:]):
        assert np.abs(part - before).mean() < .05


# -- formats


@pytest.mark.parametrize('source, options, output, codec, expected', [
    ('yuv444p', 'libx264', 'mp4', None, 'yuv444p'),
    ('yuv444p10le', 'ffv1', 'mp4', None, 'yuv444p10le'),
    ('uyvy422', 'rawvideo', 'mp4', None, 'yuv422p'),
    ('yuyv422', 'rawvideo', 'mkv', None, 'yuv422p'),
    ('yuv422p10le', 'v210', 'mov', None, 'yuv422p10le'),
    ('nv12', 'rawvideo', 'mp4', None, 'yuv420p'),
    ('yuv411p', 'ffv1', 'mp4', None, 'yuv422p'),
    ('yuv410p', 'ffv1', 'mp4', None, 'yuv420p'),
    ('rgb555le', 'rawvideo', 'mp4', None, 'yuv420p'),
    ('gray', 'ffv1', 'mp4', None, 'yuv420p'),
    ('gray10le', 'ffv1', 'mp4', None, 'yuv420p10le'),
    ('yuvj420p', 'mjpeg', 'mp4', None, 'yuvj420p'),
    ('bgr0', 'ffv1', 'mkv', 'ffv1', 'bgr0'),
    ('yuv444p', 'libx264', 'mov', 'prores', 'yuv444p10le'),
    ('yuva444p10le', 'prores_ks', 'mp4', None, 'yuv444p10le')])
def test_formats(tmp_path, source, options, output, codec, expected):
    """The same chroma and depth; fewer than 8 bits become 8; what plays everywhere stays that."""
    path = film(tmp_path / ('in.mov' if options in ('prores_ks', 'v210') else 'in.nut'), source,
                options, options=('-strict', '-2'))
    deblur(path, tmp_path / f'out.{output}', codec=codec)
    found = probe(tmp_path / f'out.{output}')['streams'][0]
    assert found['pix_fmt'].replace('12le', '10le') == expected.replace('12le', '10le')
    if codec == 'prores':
        assert found['profile'] == '4444'


@functools.lru_cache
def odd_film(folder: Path) -> Path:
    return film(folder / 'odd.webm', 'yuv420p', 'libvpx-vp9', '64x64',
                options=('-vf', 'crop=47:47:exact=1'))


@pytest.mark.parametrize('options, size, pix_fmt', [
    ({}, (48, 48), 'yuv420p'), ({'codec': 'h265'}, (48, 48), 'yuv420p'),
    ({'codec': 'vp9'}, (47, 47), 'yuv420p'),
    ({'codec_options': {'pix_fmt': 'yuv444p'}}, (47, 47), 'yuv444p')])
def test_odd_sizes(tmp_path, options, size, pix_fmt):
    """What plays everywhere has even sides; that is told, and how to choose otherwise."""
    source = odd_film(tmp_path)
    told = losses(source, tmp_path / 'out.mp4', **options)
    assert ('47x47' in told and '--codec vp9' in told) == (size == (48, 48))
    deblur(source, tmp_path / 'out.mp4', **options)
    found = probe(tmp_path / 'out.mp4')['streams'][0]
    assert (found['width'], found['height'], found['pix_fmt']) == (*size, pix_fmt)


def test_an_odd_size_in_strict(tmp_path):
    with pytest.raises(ValueError, match='47x47'):
        deblur(odd_film(tmp_path), tmp_path / 'out.mp4', strict=True)
    with pytest.raises(ValueError, match='pix_fmt=rgb24 is not possible with libx264'):
        deblur(odd_film(tmp_path), tmp_path / 'out.mp4', codec_options={'pix_fmt': 'rgb24'})


def test_colours_that_an_encoder_cannot_hold_are_told(tmp_path):
    source = film(tmp_path / 'in.mkv', 'yuv444p', 'libx264')
    assert 'colour of yuv444p: libsvtav1 takes yuv420p' in losses(source, tmp_path / 'out.mp4',
                                                                  codec='av1')
    assert 'colour' not in losses(source, tmp_path / 'out.mp4')
