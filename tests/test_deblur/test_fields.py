"""Interlaced films: said, and made whole as ffmpeg's bwdif does it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('av')

from test_colours import losses  # noqa: E402
from unchanging import deblur  # noqa: E402
from video_files import ffmpeg, moving_picture, needs_ffmpeg, packets  # noqa: E402

from cdvd_mm.video import open_reader  # noqa: E402

pytestmark = needs_ffmpeg
KINDS = {
    'h264.mp4': ('yuv420p', '-c:v', 'libx264', '-qp', 0, '-flags', '+ildct+ilme', '-x264opts',
                 'tff=1', '-g', 5),
    'mpeg2.ts': ('yuv422p', '-c:v', 'mpeg2video', '-qscale', 2, '-flags', '+ildct+ilme'),
    'full.mkv': ('yuv420p', '-c:v', 'ffv1', '-color_range', 'pc'),
    'packed.nut': ('uyvy422', '-c:v', 'rawvideo'),
}


def film(folder: Path, name: str, num_frames: int = 6) -> Path:
    pix_fmt, *coded = KINDS[name]
    moving = f'testsrc2=s=64x48:r=20:d={num_frames / 10},gblur=2,hue=s=0.4,scroll=h=0.05'
    ffmpeg('-f', 'lavfi', '-i', moving, '-vf',
           f'tinterlace=interleave_top,fieldorder=tff,format={pix_fmt}', *coded, folder / name)
    return folder / name


def luma(path: Path, *filters: str) -> np.ndarray:
    raw = ffmpeg('-i', path, '-vf', ','.join((*filters, 'extractplanes=y')), '-vsync', 0, '-f',
                 'rawvideo', '-')
    return np.frombuffer(raw, np.uint8).reshape(-1, 48, 64).astype(float)


@pytest.mark.parametrize('name', KINDS)
def test_as_ffmpeg_does_it(tmp_path, name):
    source = film(tmp_path, name)
    assert ('--deinterlace' in losses(source, tmp_path / 'out.mkv')) == (
        name != 'packed.nut')  # which has no marks
    deblur(source, tmp_path / 'out.mkv', codec='ffv1', deinterlace=True)
    planar = ('format=yuv422p', ) if name == 'packed.nut' else ()
    expected = luma(source, *planar, 'bwdif=mode=send_frame:deint=all')
    found = luma(tmp_path / 'out.mkv')
    assert found.shape == expected.shape == (6, 48, 64)
    inner = (slice(None), slice(4, -4))  # versions of the filter differ at the edges
    assert np.abs(found - expected)[inner].mean() < .5
    assert np.abs(luma(source, *planar) - expected)[inner].mean() > 2
    times = [[time for time, _ in sorted(packets(path, 'video'))] for path in (
        source, tmp_path / 'out.mkv')]
    assert np.diff(times[0]) == pytest.approx(np.diff(times[1]), abs=.001)


def test_from_the_middle(tmp_path):
    source = film(tmp_path, 'h264.mp4', 40)
    with open_reader(source, deinterlace=True) as reader:
        assert reader.info.losses == ()
        whole = {frame.pts: frame.image for frame in reader.frames()}
        part = list(reader.frames(3.5))
    assert len(whole) == 40 and len(part) < 40
    for frame in part[1:]:  # the first lacks its neighbour
        assert np.array_equal(frame.image, whole[frame.pts])


def test_what_has_no_fields(tmp_path):
    ffmpeg('-f', 'lavfi', '-i', 'color=red:s=2x2:r=10:d=0.2', '-c:v', 'ffv1', tmp_path / 'in.mkv')
    with pytest.raises(ValueError, match='2x2.* cannot be deinterlaced'):
        deblur(tmp_path / 'in.mkv', tmp_path / 'out.mkv', deinterlace=True)
    (tmp_path / 'in').mkdir()
    pixels = moving_picture(0, (48, 32)).tobytes()
    (tmp_path / 'in' / '1.ppm').write_bytes(b'P6 48 32 255\n' + pixels)
    with pytest.raises(ValueError, match='--deinterlace is for video files'):
        deblur(tmp_path / 'in', tmp_path / 'out', deinterlace=True)
