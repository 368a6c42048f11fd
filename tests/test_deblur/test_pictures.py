"""Folders of pictures of all kinds: Pillow writes them and is the judge."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip('av')

from PIL import Image, ImageCms, features  # noqa: E402
from test_colours import losses  # noqa: E402
from unchanging import deblur  # noqa: E402
from video_files import moving_picture, probe  # noqa: E402

RGB = moving_picture(0, (48, 32))
ALPHA = np.tile(np.linspace(0, 255, 48).astype(np.uint8), (32, 1))


def folder(path: Path, suffix: str, array: np.ndarray = RGB, **options) -> Path:
    path.mkdir()
    for index in range(2):
        Image.fromarray(array).save(path / f'{index}{suffix}', **options)
    return path


def restored(source: Path) -> Image.Image:
    deblur(source, source.with_name('out'))
    return Image.open(source.with_name('out') / '1.png')


def other_profile() -> bytes:
    """sRGB's, with two of the primaries exchanged."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes())
    red, blue = profile.find(b'rXYZ'), profile.find(b'bXYZ')
    profile[red:red + 4], profile[blue:blue + 4] = b'bXYZ', b'rXYZ'
    return bytes(profile)


@pytest.mark.parametrize('suffix, options, error', [
    ('.tga', {}, 0), ('.ppm', {}, 0), ('.jp2', {'irreversible': False}, 0), ('.bmp', {}, 0),
    ('.jfif', {'format': 'JPEG', 'quality': 98}, 2), ('.webp', {'lossless': True}, 0),
    ('.avif', {'quality': 95}, 3), ('.heic', {'quality': 95}, 3), ('.png', {}, 0),
    ('.heif', {'format': 'JPEG', 'quality': 98}, 2)])
def test_kinds(tmp_path, suffix, options, error):
    if suffix == '.avif' and not features.check('avif'):
        pytest.skip('this Pillow has no AVIF')
    if suffix == '.heic':
        pytest.importorskip('pillow_heif').register_heif_opener()
    found = restored(folder(tmp_path / 'in', suffix, **options))
    assert found.mode == 'RGB'
    assert np.abs(np.asarray(found).astype(int) - RGB).mean() <= error


def test_ten_bits_are_no_dark_pictures(tmp_path):
    """AVIF as FFmpeg's own encoder writes it."""
    if not features.check('avif'):
        pytest.skip('this Pillow has no AVIF')
    import av
    (tmp_path / 'in').mkdir()
    with av.open(str(tmp_path / 'in' / '1.avif'), 'w') as output:
        stream = output.add_stream('libsvtav1', rate=1)
        stream.width, stream.height, stream.pix_fmt = 64, 64, 'yuv420p10le'
        frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 200, np.uint8), 'rgb24')
        output.mux(stream.encode(frame.reformat(format='yuv420p10le')))
        output.mux(stream.encode(None))
    assert np.asarray(restored(tmp_path / 'in')).mean() == pytest.approx(200, abs=3)


def test_heic_without_its_reader(tmp_path, monkeypatch):
    import sys
    (tmp_path / 'in').mkdir()
    (tmp_path / 'in' / '1.heic').write_bytes(b'\0\0\0\x18ftypheic' + bytes(100))
    monkeypatch.setitem(sys.modules, 'pillow_heif', None)
    with pytest.raises(ValueError, match=r'1\.heic.*cdvd_mm\[heif\]'):
        restored(tmp_path / 'in')


@pytest.mark.parametrize('suffix, options', [
    ('.png', {}), ('.tga', {}), ('.tif', {}), ('.webp', {'lossless': True, 'exact': True}),
    ('.jp2', {'irreversible': False})])
def test_transparency_is_kept(tmp_path, suffix, options):
    source = folder(tmp_path / 'in', suffix, np.dstack((RGB, ALPHA)), **options)
    found = np.asarray(restored(source))
    assert np.array_equal(found, np.dstack((RGB, ALPHA)))
    assert 'transparency' in losses(source, tmp_path / 'out.mp4')
    assert 'transparency' not in losses(source, tmp_path / 'out.webm')


@pytest.mark.parametrize('suffix', ['.png', '.tif'])
def test_transparency_of_16_bits(tmp_path, suffix):
    deep = np.dstack((RGB[..., ::-1], ALPHA)).astype(np.uint16) * 257
    (tmp_path / 'in').mkdir()
    cv2.imwrite(str(tmp_path / 'in' / f'1{suffix}'), deep)
    restored(tmp_path / 'in')
    found = cv2.imread(str(tmp_path / 'out' / '1.png'), cv2.IMREAD_UNCHANGED)
    assert found.dtype == np.uint16 and np.array_equal(found, deep)


@pytest.mark.parametrize('mode, colours', [('LA', None), ('P', 32)])
def test_transparency_of_grey_and_palettes(tmp_path, mode, colours):
    (tmp_path / 'in').mkdir()
    picture = Image.fromarray(np.dstack((RGB, ALPHA)))
    picture = picture.convert('RGB').quantize(colours) if colours else picture.convert(mode)
    picture.save(tmp_path / 'in' / '1.png', **({'transparency': 0} if colours else {}))
    assert np.array_equal(np.asarray(restored(tmp_path / 'in')),
                          np.asarray(Image.open(tmp_path / 'in' / '1.png').convert('RGBA')))


def test_a_turned_picture_with_transparency(tmp_path):
    exif = Image.Exif()
    exif[0x112] = 6  # to be turned by 90 degrees
    source = folder(tmp_path / 'in', '.png', np.dstack((RGB, ALPHA)), exif=exif)
    assert np.array_equal(np.asarray(restored(source)),
                          np.rot90(np.dstack((RGB, ALPHA)), -1))


@pytest.mark.parametrize('suffix', ['.jpg', '.png', '.tif', '.webp'])
def test_profiles_are_kept_or_said(tmp_path, suffix):
    source = folder(tmp_path / 'in', suffix, icc_profile=other_profile())
    assert 'colour profile' in losses(source, tmp_path / 'out.mp4')
    assert losses(source, tmp_path / 'out') == ''
    assert restored(source).info['icc_profile'] == other_profile()


def test_profiles_that_say_nothing_or_something_else(tmp_path):
    """sRGB is what videos have; CMYK's cannot describe RGB."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()
    source = folder(tmp_path / 'srgb', '.jpg', icc_profile=profile)
    assert losses(source, tmp_path / 'out.mp4') == ''
    cmyk = bytearray(profile)
    cmyk[16:20] = b'CMYK'
    (tmp_path / 'in').mkdir()
    Image.fromarray(RGB).convert('CMYK').save(tmp_path / 'in' / '1.jpg', icc_profile=bytes(cmyk))
    assert 'CMYK' in losses(tmp_path / 'in', tmp_path / 'frames')
    assert 'icc_profile' not in restored(tmp_path / 'in').info


def test_what_is_no_picture_or_more_than_one(tmp_path):
    source = folder(tmp_path / 'in', '.png')
    (source / 'notes.txt').write_text('x')
    (source / 'Thumbs.db').write_text('x')
    Image.fromarray(RGB).save(source / '3.tif', save_all=True,
                              append_images=[Image.fromarray(RGB)])
    said = losses(source, tmp_path / 'out')
    assert '(notes.txt)' in said and '1 file(s) hold several pictures' in said
    (tmp_path / 'raw').mkdir()
    (tmp_path / 'raw' / '1.cr2').write_text('x')
    with pytest.raises(ValueError, match=r'found 1\.cr2'):
        deblur(tmp_path / 'raw', tmp_path / 'out')
    (tmp_path / 'float').mkdir()
    cv2.imwrite(str(tmp_path / 'float' / '1.tif'), RGB.astype(np.float32))
    with pytest.raises(ValueError, match='samples of float32: expected 8 or 16 bits'):
        deblur(tmp_path / 'float', tmp_path / 'out')


def test_many_depths_and_kinds_in_one_folder(tmp_path):
    source = folder(tmp_path / 'in', '.png')
    cv2.imwrite(str(source / '2.png'), np.dstack((RGB[..., ::-1], ALPHA)).astype(np.uint16) * 257)
    Image.fromarray(RGB[..., 0]).save(source / '3.tga')
    deblur(source, tmp_path / 'out')
    modes = [Image.open(tmp_path / 'out' / f'{index}.png').mode for index in range(4)]
    assert modes == ['RGB', 'RGB', 'RGBA', 'RGB']
    deblur(source, tmp_path / 'out.mkv', codec='ffv1')
    assert probe(tmp_path / 'out.mkv')['streams'][0]['pix_fmt'] == 'bgra'
