"""A store of frames of which any part can be read without decoding the rest.

Every frame is cut into tiles, each an entry of one LMDB file together with its checksum, either
compressed (``png``, about as large as the dataset) or as it is (``raw``, 3 bytes a pixel). A patch
of 256x256 of a 1280x720 frame then costs a ninth of the pixels instead of all of them.

A store is a folder with ``data.mdb`` and, written last, ``frame_store.json``; without that file it
is unfinished and no dataset accepts it. Names of videos and frames live in the JSON file, so that
they may have any letters. What is read is checked: the JSON file entry by entry, the size of the
data file before it is mapped, every tile by its checksum.
"""

from __future__ import annotations

import json
import os
import struct
import threading
import zlib
from types import ModuleType
from typing import Any

import cv2
import numpy as np

from cdvd_mm.names import checked_name

from .records import FrameError, Video

STORE_MARK = '::'
INDEX_NAME = 'frame_store.json'
PLAN_NAME = 'frame_store.part.json'
DATA_NAME = 'data.mdb'
FORMAT = 'cdvd_mm frame store'
VERSION = 1
CODECS = ('png', 'raw')
KINDS = {'blur': 'b', 'sharp': 's'}
COMPLETE = 'complete'
"""Entry with the id of the index that belongs to the data; written when all frames are there."""


def is_store(root: str) -> bool:
    """Whether a folder is a finished store."""
    return os.path.isfile(os.path.join(root, INDEX_NAME))


def unfinished_store(root: str) -> str | None:
    """What to tell about a folder with a store that was never finished; ``None`` otherwise."""
    if is_store(root) or not (os.path.exists(os.path.join(root, PLAN_NAME))
                              or os.path.exists(os.path.join(root, DATA_NAME))):
        return None
    return (f'{root} is an unfinished frame store ({INDEX_NAME} is missing): run '
            'tools/dataset_converters/prepare.py with the same arguments again, it goes on where '
            'it stopped')


_STORES: dict[str, tuple[int, FrameStore]] = {}
_OPENING = threading.Lock()  # LMDB refuses to open a store twice in a process


def open_store(root: str) -> FrameStore:
    """The store in a folder, opened once a process."""
    root = os.path.abspath(root)
    with _OPENING:
        if root not in _STORES or _STORES[root][0] != os.getpid():
            _STORES[root] = (os.getpid(), FrameStore(root))
        return _STORES[root][1]


def import_lmdb() -> ModuleType:
    """The package lmdb, which is optional."""
    try:
        import lmdb
    except ImportError as error:
        raise ValueError('the frame store needs the package lmdb (`pip install lmdb`)') from error
    return lmdb


class FrameStore:
    """A finished store, read only.

    Args:
        root: Its folder.

    Raises:
        FileNotFoundError: There is no finished store.
        ValueError: It is of another version, or was cut off (when it was copied, say).
    """

    def __init__(self, root: str) -> None:
        self.root = root
        path = os.path.join(root, INDEX_NAME)
        if not is_store(root):
            raise FileNotFoundError(unfinished_store(root) or f'{root} holds no frame store '
                                    f'({INDEX_NAME} is missing)')
        try:
            with open(path, encoding='utf-8') as file:
                self.index = json.load(file)
            found = (self.index['format'], self.index['version'])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ValueError(f'{path} is damaged ({error!r}); write the store again') from error
        if found != (FORMAT, VERSION):
            raise ValueError(f'{path}: expected {FORMAT} version {VERSION}, found {found[0]} '
                             f'version {found[1]}; write the store again with this version')
        _check_index(self.index, path)
        self._data = os.path.join(root, DATA_NAME)
        self._check_size(self.index['data_bytes'])
        self.codec, self.tile = self.index['codec'], self.index['tile']
        self._records = {(split, video['name']): video
                         for split, videos in self.index['videos'].items() for video in videos}
        self._positions = {key: {stem: i for i, stem in enumerate(video['frames'])}
                           for key, video in self._records.items()}
        self._database: Any = None
        self._needed = self.index['data_bytes']

    def _check_size(self, needed: int) -> None:
        """Refuse a data file of which a part is missing: what is not there must not be mapped."""
        size = os.path.getsize(self._data) if os.path.exists(self._data) else 0
        if size < needed:
            raise FrameError(self._data, f'has {size} bytes, expected {needed}: the store was cut '
                             'off', 'copy it again, or remove it and write it again')

    def videos(self, split: str) -> list[Video]:
        """The videos of a split; their paths are those that :meth:`read` takes, with the root.

        Raises:
            FileNotFoundError: The store does not have that split.
        """
        if split not in self.index['videos']:
            raise FileNotFoundError(f'frame store {self.root} has no split {split!r}, it has '
                                    f'{sorted(self.index["videos"])}')
        videos = []
        for record in self.index['videos'][split]:
            base = f'{self.root}{STORE_MARK}{split}/{record["name"]}'
            stems = list(record['frames'])
            blur = [f'{base}/blur/{stem}' for stem in stems]
            sharp = [f'{base}/sharp/{stem}' for stem in stems] if record['sharp'] else None
            videos.append(Video(record['name'], blur, sharp, stems,
                                (record['height'], record['width'])))
        return videos

    def read(self, name: str, box: tuple[int, int, int, int] | None = None) -> np.ndarray:
        """Read a frame or a part of it.

        Args:
            name: ``<split>/<video>/<blur|sharp>/<frame>``.
            box: ``(top, left, height, width)``, inside the frame; ``None`` for all of it.

        Returns:
            (h, w, 3) uint8, RGB.

        Raises:
            FrameError: There is no such frame, or its entry is damaged.
        """
        split, video, kind, stem = name.split('/', 3)
        record = self._records.get((split, video))
        position = self._positions.get((split, video), {}).get(stem)
        if record is None or position is None or kind not in KINDS:
            raise FrameError(f'{self.root}{STORE_MARK}{name}', 'not in the frame store',
                             'write the store again from the whole dataset')
        height, width = record['height'], record['width']
        top, left, rows, columns = box or (0, 0, height, width)
        if top < 0 or left < 0 or top + rows > height or left + columns > width:
            raise ValueError(f'box {box} reaches out of the {width}x{height} frame {name}')
        prefix = f'{record["first"] + position:08d}{KINDS[kind]}'
        tile, across = self.tile, -(-width // self.tile)
        out = np.empty((rows, columns, 3), np.uint8)
        for i in range(top // tile, (top + rows - 1) // tile + 1):
            y = i * tile
            y0, y1 = max(y, top), min(y + tile, top + rows, height)
            for j in range(left // tile, (left + columns - 1) // tile + 1):
                x = j * tile
                x0, x1 = max(x, left), min(x + tile, left + columns, width)
                pixels = self._tile(f'{prefix}{i * across + j:05d}', name,
                                    min(tile, height - y), min(tile, width - x))
                out[y0 - top:y1 - top, x0 - left:x1 - left] = pixels[y0 - y:y1 - y, x0 - x:x1 - x]
        return out

    def _tile(self, key: str, name: str, height: int, width: int) -> np.ndarray:
        value = self._get(key)
        if value is not None and len(value) > 4 \
                and struct.unpack_from('<I', value)[0] == zlib.crc32(memoryview(value)[4:]):
            payload = np.frombuffer(value, np.uint8, offset=4)
            pixels = cv2.imdecode(payload, cv2.IMREAD_COLOR) if self.codec == 'png' else payload
            if pixels is not None and pixels.size == height * width * 3:
                return pixels.reshape(height, width, 3)
        raise FrameError(f'{self.root}{STORE_MARK}{name}',
                         f'damaged entry {key} in the frame store',
                         'copy the store again, or remove it and write it again')

    def _get(self, key: str) -> bytes | None:
        if self._database is None:
            with _OPENING:
                if self._database is None:
                    self._database = self._open()
        self._check_size(self._needed)
        try:
            with self._database.begin() as transaction:
                return transaction.get(key.encode())
        except import_lmdb().Error as error:
            raise self._damaged(error) from error

    def _open(self) -> Any:
        lmdb = import_lmdb()
        try:
            database = lmdb.open(self.root, readonly=True, lock=False, readahead=False,
                                 create=False)
            pages = database.info()['last_pgno'] + 1
            self._needed = max(self._needed, pages * database.stat()['psize'])
            self._check_size(self._needed)
            with database.begin() as transaction:
                found = transaction.get(COMPLETE.encode())
        except lmdb.Error as error:
            raise self._damaged(error) from error
        if found != self.index['id'].encode():
            raise ValueError(f'{self.root}: {DATA_NAME} and {INDEX_NAME} do not belong together; '
                             'copy the store again or write it again')
        return database

    def _damaged(self, error: Exception) -> FrameError:
        return FrameError(self._data, f'damaged frame store ({error})',
                          'copy it again, or remove it and write it again')


def _check_index(index: dict, path: str) -> None:
    """Refuse an index whose entries are not what they must be."""
    try:
        if index['codec'] not in CODECS:
            raise ValueError(f'codec {index["codec"]!r}')
        _check_numbers(index, {'tile': 1, 'data_bytes': 0})
        if not isinstance(index['id'], str):
            raise ValueError(f'id {index["id"]!r}')
        for split, videos in index['videos'].items():
            checked_name(split, path)
            for video in videos:
                checked_name(video['name'], path)
                _check_numbers(video, {'first': 0, 'height': 1, 'width': 1})
                if not isinstance(video['sharp'], bool) or not isinstance(video['frames'], list):
                    raise ValueError(f'entries of {video["name"]!r}')
                for stem in video['frames']:
                    checked_name(stem, path)
                if len(set(video['frames'])) < len(video['frames']):
                    raise ValueError(f'a frame of {video["name"]!r} comes twice')
            if len({video['name'] for video in videos}) < len(videos):
                raise ValueError(f'a video of {split!r} comes twice')
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f'{path} is damaged ({error}); write the store again') from error


def _check_numbers(entries: dict, least: dict[str, int]) -> None:
    for name, lowest in least.items():
        value = entries[name]
        if type(value) is not int or not lowest <= value < 1 << 48:
            raise ValueError(f'{name} {value!r}')
