"""Pictures in files: what OpenCV reads, and through Pillow what it does not."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib
import io
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageCms, ImageOps

IMAGE_SUFFIXES = ('.png', '.jpg', '.jpeg', '.jpe', '.jfif', '.bmp', '.tif', '.tiff', '.webp',
                  '.avif', '.heic', '.heif', '.jp2', '.tga', '.ppm', '.pgm', '.pnm')
_HEIF = ('.heic', '.heif')
# OpenCV gives the values of 10 bits as they are.
_BY_PILLOW = {'AVIF', 'HEIF'}
_SAME = 3  # steps of 8 bits that a colour may differ where a profile is called sRGB


@dataclasses.dataclass(frozen=True)
class PictureFacts:
    """What a picture's header says.

    Args:
        format (str): Pillow's name; '' where it does not know the file.
        alpha (bool): It has transparency.
        profile (bytes): Its ICC profile; empty without one.
        num_pages (int): Pictures in the file.
    """

    format: str = ''
    alpha: bool = False
    profile: bytes = b''
    num_pages: int = 1


@dataclasses.dataclass
class Picture:
    """A picture, upright.

    Args:
        image (np.ndarray): (h, w, 3), RGB, uint8 or uint16.
        alpha (np.ndarray | None): Transparency (h, w), of the same type.
    """

    image: np.ndarray
    alpha: np.ndarray | None = None

    def with_depth(self, deep: bool) -> Picture:
        """The same in 16 bits a channel, or in 8."""
        return Picture(_with_depth(self.image, deep),
                       None if self.alpha is None else _with_depth(self.alpha, deep))


def look_at_picture(file: Path) -> PictureFacts:
    """Read a picture's header."""
    with contextlib.suppress(OSError, SyntaxError, ValueError, Image.DecompressionBombError), \
            _open(file) as picture:
        return PictureFacts(picture.format or '', picture.has_transparency_data,
                            picture.info.get('icc_profile') or b'',
                            # phones put a preview behind the picture
                            1 if picture.format == 'MPO' else getattr(picture, 'n_frames', 1))
    image = _decode(file, cv2.IMREAD_UNCHANGED)  # TIFF of 16 bits, say
    return PictureFacts(alpha=image is not None and image.shape[2:] == (4, ))


def read_picture(file: Path, facts: PictureFacts) -> Picture | None:
    """Read a picture; None where it is damaged.

    Args:
        file (Path): The file.
        facts (PictureFacts): What its header says.

    Raises:
        ValueError: It has samples of another kind than 8 and 16 bits, or nothing here reads it.
    """
    image = None if facts.format in _BY_PILLOW else _decode(
        file, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    if facts.format == 'TIFF' and facts.alpha and image is not None and image.dtype == np.uint8:
        image = None  # it has multiplied the colours by the transparency
    if image is None:
        _check_heif(file, facts)
        return _read_by_pillow(file)
    if image.dtype not in (np.uint8, np.uint16):
        raise ValueError(f'{file} has samples of {image.dtype}: expected 8 or 16 bits; convert it '
                         '(`magick IN -depth 16 OUT.png`)')
    image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    return Picture(image, _read_alpha(file, image) if facts.alpha else None)


def profile_name(profile: bytes) -> str:
    """What a profile calls itself; '' for sRGB, which is what everything without one has."""
    return _profile_name(profile) if profile else ''


def fits_rgb(profile: bytes) -> bool:
    """Whether it describes RGB, as everything that is written here is."""
    return profile[16:20] == b'RGB '


@functools.lru_cache
def _profile_name(profile: bytes) -> str:
    try:
        described = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        name = ImageCms.getProfileDescription(described).strip() or 'without a name'
        steps = np.mgrid[:256:51, :256:51, :256:51].reshape(3, 12, 18).transpose(1, 2, 0)
        colours = Image.fromarray(steps.astype(np.uint8))
        shown = ImageCms.profileToProfile(colours, described, ImageCms.createProfile('sRGB'))
    except (ImageCms.PyCMSError, OSError, ValueError):
        return 'that cannot be read' if not fits_rgb(profile) else 'of a kind of its own'
    assert shown is not None
    is_same = np.abs(np.asarray(shown).astype(int) - steps).max() <= _SAME
    return '' if is_same else name


def _with_depth(samples: np.ndarray, deep: bool) -> np.ndarray:
    if deep and samples.dtype == np.uint8:
        return samples.astype(np.uint16) * 257
    if not deep and samples.dtype == np.uint16:
        return (samples // 257).astype(np.uint8)
    return samples


def _open(file: Path) -> Image.Image:
    if file.suffix.lower() in _HEIF:
        with contextlib.suppress(ImportError):
            importlib.import_module('pillow_heif').register_heif_opener()
    return Image.open(file)


def _check_heif(file: Path, facts: PictureFacts) -> None:
    if file.suffix.lower() in _HEIF and not facts.format:
        try:
            importlib.import_module('pillow_heif')
        except ImportError as error:
            raise ValueError(f'{file}: pictures of this kind need pillow-heif: pip install '
                             "'cdvd_mm[heif]'") from error


def _decode(file: Path, how: int) -> np.ndarray | None:
    data = np.fromfile(file, np.uint8)
    if data.size == 0:
        return None
    try:
        return cv2.imdecode(data, how)
    except cv2.error:
        return None


def _read_by_pillow(file: Path) -> Picture | None:
    try:
        with _open(file) as opened:
            picture = ImageOps.exif_transpose(opened)
            if picture.mode.startswith('I;16'):
                grey = np.asarray(picture, np.uint16)
                return Picture(np.repeat(grey[..., None], 3, axis=2))
            if not picture.has_transparency_data:
                return Picture(np.array(picture.convert('RGB')))
            samples = np.array(picture.convert('RGBA'))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
    return Picture(np.ascontiguousarray(samples[..., :3]), samples[..., 3])


def _read_alpha(file: Path, image: np.ndarray) -> np.ndarray | None:
    """The transparency of a picture that OpenCV has read, upright as that."""
    alpha = None
    if image.dtype == np.uint16:
        full = _decode(file, cv2.IMREAD_UNCHANGED)
        alpha = full[..., 3] if full is not None and full.shape[2:] == (4, ) else None
    else:
        picture = _read_by_pillow(file)
        alpha = None if picture is None else picture.alpha
    return alpha if alpha is not None and alpha.shape == image.shape[:2] else None
