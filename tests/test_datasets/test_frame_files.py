"""Frames in files: what cameras write is read, what is broken or unsuitable is told."""

from __future__ import annotations

import io
import pickle

import numpy as np
import pytest
from PIL import Image
from torch._utils import ExceptionWrapper
from video_data import frame

from cdvd_mm.datasets.frame_files import decode_frame, probe_frame
from cdvd_mm.datasets.frames import read_frame
from cdvd_mm.datasets.records import FrameError, Problem

PICTURE = frame('a', 1, 'blur', (48, 64))


def encode(image=PICTURE, name: str = 'JPEG', **options) -> bytes:
    file = io.BytesIO()
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    image.save(file, name, **options)
    return file.getvalue()


def thumbnail_exif(size: int = 0) -> bytes:
    """EXIF data of a camera: a whole JPEG as thumbnail, and a maker note of ``size`` bytes."""
    small = encode(PICTURE[::4, ::4])
    body = b'MM\x00*\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00' + small + b'\x00' * size
    return b'Exif\x00\x00' + body


def segments(count: int) -> bytes:
    """So many application segments of nearly 64 KiB each, the largest there are."""
    return (b'\xff\xed' + (65533).to_bytes(2, 'big') + b'\x17' * 65531) * count


def with_segments(jpeg: bytes, extra: bytes) -> bytes:
    return jpeg[:2] + extra + jpeg[2:]


CAMERA_FORMS = {
    'metadata of 400 KB.jpg': with_segments(encode(exif=thumbnail_exif(60000)), segments(6)),
    'profile of 200 KB.jpg': encode(icc_profile=bytes(200_000)),
    'bytes behind the end.jpg': encode() + b'\x00\x13' * 5000,
    'film behind the end.jpg': encode() + b'ftypmp42' * 40000,
    'several pictures.jpg': encode(name='MPO', save_all=True,
                                   append_images=[Image.fromarray(PICTURE[::2, ::2])]),
    'progressive.jpg': encode(progressive=True, quality=95),
    'restart markers.jpg': encode(restart_marker_blocks=2),
    '4:4:4.jpg': encode(subsampling=0),
    'fill bytes.jpg': with_segments(encode(), b'\xff' * 9),
    'bytes behind the end.png': encode(name='PNG') + b'\x00' * 5000,
    'text of 100 KB.png': encode(name='PNG', exif=b'Exif\x00\x00' + bytes(100_000)),
    'a PNG called.jpg': encode(name='PNG'),
    'a JPEG called.png': encode(),
}


@pytest.mark.parametrize('name', CAMERA_FORMS)
def test_what_cameras_and_programs_write(tmp_path, name):
    content = CAMERA_FORMS[name]
    path = tmp_path / name
    path.write_bytes(content)
    header = probe_frame(str(path))
    assert (header.height, header.width) == (48, 64)
    with Image.open(io.BytesIO(content)) as image:
        expected = np.asarray(image.convert('RGB'))
    found = read_frame(str(path))
    assert np.abs(found.astype(int) - expected).max() <= (3 if header.format == 'JPEG' else 0)
    assert np.array_equal(decode_frame(content, str(path), deep=True)[..., ::-1], found)


def cut(content: bytes, at: float) -> bytes:
    return content[:int(len(content) * at)]


BIG_JPEG = encode(frame('a', 2, 'blur', (240, 320)), quality=98, exif=thumbnail_exif())
BIG_PNG = encode(frame('a', 2, 'blur', (240, 320)), 'PNG')
TWELVE_BIT = encode().replace(b'\xff\xc0\x00\x11\x08', b'\xff\xc0\x00\x11\x0c')
UNUSABLE = {
    'cut, with a whole thumbnail.jpg': (cut(BIG_JPEG, 0.6), 'truncated JPEG'),
    'cut just behind its thumbnail.jpg': (BIG_JPEG[:BIG_JPEG.index(b'\xff\xda', 1000) + 40],
                                          'truncated JPEG'),
    'cut in its metadata.jpg': (with_segments(encode(), segments(3))[:150_000],
                                'corrupt JPEG|truncated JPEG'),
    'twelve bits.jpg': (TWELVE_BIT, '12-bit'),
    'four inks.jpg': (encode(Image.fromarray(PICTURE).convert('CMYK')), 'CMYK JPEG, expected RGB'),
    'cut.png': (cut(BIG_PNG, 0.9), 'truncated PNG'),
    'cut in its header.png': (BIG_PNG[:20], 'corrupt PNG|truncated PNG'),
    'header only.png': (BIG_PNG[:33], 'corrupt PNG|truncated PNG'),
    'damaged header.png': (BIG_PNG[:17] + b'\x99' + BIG_PNG[18:], 'corrupt PNG'),
    'palette.png': (encode(Image.fromarray(PICTURE).quantize(16), 'PNG'),
                    'palette PNG, expected RGB'),
    'grey with alpha.png': (encode(PICTURE[..., :2].copy(), 'PNG'), 'grey with alpha PNG'),
    'empty.jpg': (b'', 'the file is empty'),
    'two bytes.jpg': (b'\xff\xd8', 'corrupt JPEG|truncated JPEG'),
}


@pytest.mark.parametrize('name', UNUSABLE)
def test_what_cannot_be_used(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(UNUSABLE[name][0])
    for read in (probe_frame, read_frame):
        with pytest.raises(FrameError, match=UNUSABLE[name][1]) as error:
            read(str(path))
        assert error.value.problem.path == str(path) and error.value.problem.remedy


def test_an_error_keeps_its_fields_out_of_a_worker():
    """As PyTorch's loader does it: type and text are pickled, and the type called with the text."""
    try:
        raise FrameError('a/1.png', 'missing', 'restore it')
    except FrameError as error:
        carried = pickle.loads(pickle.dumps(ExceptionWrapper(where='in a worker')))
        copy = pickle.loads(pickle.dumps(error))
    with pytest.raises(FrameError) as raised:
        carried.reraise()
    for error in (raised.value, copy):
        assert error.problem == Problem('a/1.png', 'missing', 'restore it')
        assert str(error) == 'a/1.png: missing; restore it'
