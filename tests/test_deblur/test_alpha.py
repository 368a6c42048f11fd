"""Transparency: it comes out as it went in, or it is said to be lost; ffmpeg is the judge."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('av')

from test_colours import losses  # noqa: E402
from unchanging import deblur  # noqa: E402
from video_files import ffmpeg, needs_ffmpeg, probe  # noqa: E402

pytestmark = needs_ffmpeg
SLOPE = "geq=lum='lum(X,Y)':cb='cb(X,Y)':cr='cr(X,Y)':a='mod(X*4+N*40,256)*{}'"
FILMS = {
    'prores_ks': ('in.mov', 'yuva444p10le', ('-profile:v', '4444')),
    'libvpx-vp9': ('in.webm', 'yuva420p', ('-auto-alt-ref', 0)),
    'libvpx': ('in.webm', 'yuva420p', ('-auto-alt-ref', 0)),
    'qtrle': ('in.mov', 'argb', ()), 'png': ('in.mov', 'rgba', ()), 'ffv1': ('in.mkv', 'bgra', ()),
}


def film(folder: Path, codec: str) -> Path:
    name, pix_fmt, options = FILMS[codec]
    kind = 'yuva444p10le' if '10' in pix_fmt else 'yuva420p'
    ffmpeg('-f', 'lavfi', '-i', 'testsrc2=s=64x48:r=10:d=0.4', '-vf',
           f'format={kind},{SLOPE.format(4 if "10" in pix_fmt else 1)},format={pix_fmt}', '-c:v',
           codec, *options, folder / name)
    return folder / name


def alpha(path: Path) -> np.ndarray:
    """Transparency of all frames, (t, h, w), as ffmpeg decodes it."""
    codec = probe(path)['streams'][0]['codec_name']
    decoder = {'vp9': ('-c:v', 'libvpx-vp9'), 'vp8': ('-c:v', 'libvpx')}.get(codec, ())
    raw = ffmpeg(*decoder, '-i', path, '-vf', 'format=rgba,alphaextract,format=gray', '-f',
                 'rawvideo', '-')
    return np.frombuffer(raw, np.uint8).reshape(-1, 48, 64).astype(int)


@pytest.mark.parametrize('source, output, codec', [
    ('prores_ks', 'out.mov', 'prores'), ('prores_ks', 'out.webm', None),
    ('libvpx-vp9', 'out.webm', None), ('libvpx-vp9', 'out.mkv', 'vp9'),
    ('libvpx-vp9', 'out.mov', 'prores'), ('libvpx', 'out.mkv', 'ffv1'),
    ('qtrle', 'out.mov', 'qtrle'), ('png', 'out.mov', 'png'), ('ffv1', 'out.mkv', 'ffv1'),
    ('ffv1', 'out.mov', 'prores')])
def test_it_passes_through(tmp_path, source, output, codec):
    path = film(tmp_path, source)
    assert 'transparency' not in losses(path, tmp_path / output, codec=codec)
    deblur(path, tmp_path / output, codec=codec)
    error = np.abs(alpha(path) - alpha(tmp_path / output))
    assert len(error) == 4 and error.mean() <= .6 and error.max() <= 6
    tags = probe(tmp_path / output)['streams'][0].get('tags', {})
    assert (tags.get('alpha_mode', tags.get('ALPHA_MODE')) == '1') == (
        output.endswith('.webm') or codec == 'vp9')


def test_segments_and_both_side_by_side(tmp_path):
    path = film(tmp_path, 'libvpx-vp9')
    deblur(path, tmp_path / 'out.webm', compare=True, segment_frames=2)
    raw = ffmpeg('-c:v', 'libvpx-vp9', '-i', tmp_path / 'out.webm', '-vf',
                 'format=rgba,alphaextract,format=gray', '-f', 'rawvideo', '-')
    both = np.frombuffer(raw, np.uint8).reshape(4, 48, 128).astype(int)
    expected = alpha(path)
    for half in (both[..., :64], both[..., 64:]):
        assert np.abs(half - expected).mean() < 1


@pytest.mark.parametrize('source, output, codec', [
    ('libvpx-vp9', 'out.mp4', None), ('libvpx-vp9', 'out.mp4', 'vp9'), ('png', 'out.mkv', None),
    ('prores_ks', 'out.webm', 'av1')])
def test_a_loss_is_said_and_no_tag_claims_it(tmp_path, source, output, codec):
    path = film(tmp_path, source)
    assert losses(path, tmp_path / output, codec=codec).count('transparency') == 1
    deblur(path, tmp_path / output, codec=codec)
    found = probe(tmp_path / output)['streams'][0]
    assert 'alpha_mode' not in {key.lower() for key in found.get('tags', {})}
    assert 'yuva' not in found['pix_fmt'] and (alpha(tmp_path / output) == 255).all()


@pytest.mark.parametrize('is_opaque', [True, False])
def test_gif(tmp_path, is_opaque):
    """Its frames always have a channel of transparency; a look says whether it is used."""
    mask = '' if is_opaque else ",geq=r='r(X,Y)':g='g(X,Y)':b='b(X,Y)':a='255*gt(X,20)'"
    ffmpeg('-f', 'lavfi', '-i', 'testsrc2=s=64x48:r=10:d=0.4', '-vf', f'format=rgba{mask},split[a]'
           '[b];[a]palettegen[p];[b][p]paletteuse', tmp_path / 'in.gif')
    assert ('transparency' in losses(tmp_path / 'in.gif', tmp_path / 'out.mp4')) != is_opaque
    deblur(tmp_path / 'in.gif', tmp_path / 'out.gif', segment_frames=2)
    found = alpha(tmp_path / 'out.gif')
    assert len(found) == 4 and (found == alpha(tmp_path / 'in.gif')).all()


def test_into_pictures(tmp_path):
    path = film(tmp_path, 'prores_ks')
    deblur(path, tmp_path / 'out')
    raw = ffmpeg('-i', tmp_path / 'out' / '%08d.png', '-vf', 'alphaextract,format=gray16le', '-f',
                 'rawvideo', '-')
    found = np.frombuffer(raw, np.uint16).reshape(4, 48, 64) / 257
    assert np.abs(found - alpha(path)).max() < 1.1
