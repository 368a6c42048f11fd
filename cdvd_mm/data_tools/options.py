"""What can be asked of the programs that make or check data."""

from __future__ import annotations

import dataclasses

from cdvd_mm.options import REQUIRED, option, positional


@dataclasses.dataclass(frozen=True, kw_only=True)
class PrepareOptions:
    """Check a download of DVD, GOPRO, BSD or REDS, or own pairs; write what trains fastest.

    Example: prepare GOPRO data/GOPRO --deep --store data/GOPRO_store
    """

    dataset: str = positional('GOPRO also for own pairs with its folders',
                              choices=('DVD', 'GOPRO', 'BSD', 'REDS'))
    root: str = positional('folder of the dataset', metavar='ROOT')
    deep: bool = option(False, 'decode every frame')
    json: str | None = option(None, 'write the report as JSON as well', metavar='REPORT')
    store: str | None = option(None, 'write the frame store for training, or go on with one; the '
                               'dataset configs take DIR as data_root', metavar='DIR')
    codec: str = option('raw', 'of the store: 3 bytes a pixel and fastest, or about as large as '
                        'the dataset', choices=('raw', 'png'))
    workers: int | None = option(None, 'threads', shown_default='one a core')


def parse_size(text: str) -> tuple[int, int]:
    """'1280x720' to (1280, 720)."""
    try:
        width, height = text.lower().split('x')
        return int(width), int(height)
    except ValueError as error:
        raise ValueError(f'expected a size such as 1280x720, found {text!r}') from error


def parse_range(text: str) -> tuple[int, int | None]:
    """'0:301', '10:' or ':50' to (start, stop)."""
    try:
        start, stop = text.split(':')
        return int(start or 0), int(stop) if stop else None
    except ValueError as error:
        raise ValueError(f'expected a range such as 0:301, 10: or :50, found {text!r}') from error


@dataclasses.dataclass(frozen=True, kw_only=True)
class SynthesiseOptions:
    """Make pairs of blurred and sharp frames (GOPRO's folders) from sharp footage by averaging.

    Example: synthesise hero7.mp4 --out data/own --frames 5 7 --split train
    """

    videos: tuple[str, ...] = positional('video files, or folders of sharp frames', metavar='VIDEO')
    out: str = option(REQUIRED, 'root of the dataset to write', metavar='DIR')
    frames: tuple[int, ...] = option((7, ), 'how many frames to average, odd (several: one folder '
                                     'each)', metavar='N')
    response: str = option('gamma2.2', 'average light after undoing a gamma of 2.2, or the stored '
                           'values', choices=('gamma2.2', 'linear'))
    size: tuple[int, int] | None = option(None, 'resize to this', metavar='WxH', convert=parse_size)
    split: str = option('train', 'where the pairs go', choices=('train', 'test'))
    range: tuple[int, int | None] = option((0, None), 'use frames A to B - 1 alone', metavar='A:B',
                                           convert=parse_range, shown_default='all')
    interpolate: int = option(0, 'put K frames between neighbours by optical flow before averaging',
                              metavar='K')
    flow: str | None = option(None, 'network for --interpolate: pwcnet, raft-small, or a config '
                              'with flow_estimator = dict(type=...)', metavar='NAME|CONFIG')
    flow_checkpoint: str | None = option(None, 'its weights', metavar='FILE')
    device: str = option('auto', 'device of the flow network')


@dataclasses.dataclass(frozen=True, kw_only=True)
class DemoDataOptions:
    """Make the demo data: photographs of scikit-image under a simulated hand-held camera.

    The folders are laid out as GOPRO's. Nothing is done where the same data are there already.
    """

    folder: str = positional('folder to make', default='data/demo')
    force: bool = option(False, 'make them again although they are there')


@dataclasses.dataclass(frozen=True)
class DemoSettings:
    """What the demo data look like.

    Attributes:
        train_frames (int): Frames of each training scene.
        train_size (tuple[int, int]): Their height and width.
        test_frames (int): Frames of each test scene.
        test_size (tuple[int, int]): Their height and width.
    """

    seed: int = option(0, 'same seed, same data')
    train_scenes: int = option(64, 'scenes for training, shared out among the photographs')
    train_frames: int = 7
    train_size: tuple[int, int] = (96, 96)
    test_scenes: int = option(4, 'scenes for testing')
    test_frames: int = 10
    test_size: tuple[int, int] = (128, 192)
    shake: float = option(1.75, 'typical way of the camera between two frames, in pixels')

    def __post_init__(self) -> None:
        for name in ('train_scenes', 'test_scenes'):
            if getattr(self, name) < 1:
                raise ValueError(f'{name} must be at least 1, found {getattr(self, name)}')
        for name in ('train_frames', 'test_frames'):
            if getattr(self, name) < 5:
                raise ValueError(f'{name} must be at least 5 (the length of a window), '
                                 f'found {getattr(self, name)}')
        for name in ('train_size', 'test_size'):
            size = getattr(self, name)
            if len(size) != 2 or min(size) < 16 or max(size) > 256:
                raise ValueError(f'{name} must be a height and a width between 16 and 256 pixels, '
                                 f'found {size}')
        if self.shake < 0:
            raise ValueError(f'shake must not be negative, found {self.shake}')
