"""What frames carry beside their samples: kept, or said to be lost."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

pytest.importorskip('av')

from test_colours import losses  # noqa: E402
from unchanging import deblur  # noqa: E402
from video_files import ffmpeg, needs_ffmpeg, probe  # noqa: E402

pytestmark = needs_ffmpeg
DISPLAY = 'G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)'


def film(folder: Path) -> Path:
    """HDR10."""
    ffmpeg('-f', 'lavfi', '-i', 'testsrc2=s=64x64:r=10:d=0.4', '-c:v', 'libx265', '-pix_fmt',
           'yuv420p10le', '-tag:v', 'hvc1', '-x265-params',
           f'log-level=none:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:max-cll=1000,400'
           f':master-display={DISPLAY}', folder / 'in.mp4')
    return folder / 'in.mp4'


def levels(path: Path) -> dict[str, float]:
    """Of the first frame, as ffprobe reads them."""
    only = ('-show_frames', '-read_intervals', '%+#1', '-select_streams', 'v')
    frame, = probe(path, *only)['frames']
    found: dict[str, float] = {}
    for data in frame.get('side_data_list', []):
        if data['side_data_type'] in ('Mastering display metadata', 'Content light level metadata'):
            found |= {key: float(Fraction(value)) for key, value in data.items()
                      if key != 'side_data_type'}
    return found


@pytest.mark.parametrize('output, options', [
    ('out.mp4', {}), ('out.mkv', {}), ('out.webm', {}), ('out.mov', {'segment_frames': 2}),
    ('out.mp4', {'codec_options': {'x265-params': 'log-level=none'}})])
def test_levels_of_hdr_survive(tmp_path, output, options):
    source = film(tmp_path)
    assert losses(source, tmp_path / output, **options) == ''
    deblur(source, tmp_path / output, **options)
    expected = levels(source)
    assert (expected['max_content'], expected['max_average']) == (1000, 400) and len(expected) == 12
    assert levels(tmp_path / output) == pytest.approx(expected, rel=.25 if 'webm' in output else 0,
                                                      abs=1e-4)


@pytest.mark.parametrize('codec', ['prores', 'ffv1'])
def test_levels_are_said_to_be_lost(tmp_path, codec):
    source = film(tmp_path)
    assert 'light levels' in losses(source, tmp_path / 'out.mkv', codec=codec)


def test_what_no_output_keeps(tmp_path):
    """Closed captions as ATSC has them, in the user data of MPEG-2's pictures."""
    import av
    ffmpeg('-f', 'lavfi', '-i', 'testsrc2=s=64x64:r=25:d=0.2', '-c:v', 'mpeg2video', '-bf', 0,
           tmp_path / 'plain.m2v')
    captions = b'\0\0\1\xb2GA94\x03\x41\xff\xfc\x94\x20\xff'
    data = (tmp_path / 'plain.m2v').read_bytes()
    (tmp_path / 'in.m2v').write_bytes(data.replace(b'\0\0\1\1', captions + b'\0\0\1\1'))
    with av.open(str(tmp_path / 'in.m2v')) as container:
        frame = next(container.decode(video=0))
        assert [data.type.name for data in frame.side_data].count('A53_CC') == 1
    assert 'closed captions' in losses(tmp_path / 'in.m2v', tmp_path / 'out.mkv')
    assert 'closed captions' in losses(tmp_path / 'in.m2v', tmp_path / 'out')
    assert 'closed captions' not in losses(tmp_path / 'plain.m2v', tmp_path / 'out.mkv')
