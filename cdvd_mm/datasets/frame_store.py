"""A store of frames of which any part can be read without decoding the rest.

Every frame is cut into tiles, each an entry of one LMDB file together with its checksum, either
compressed (``png``, about as large as the dataset) or as it is (``raw``, 3 bytes a pixel). A patch
of 256x256 of a 1280x720 frame then costs a ninth of the pixels instead of all of them.

A store is a folder with ``data.mdb`` and, written last, ``frame_store.json``; without that file it
is unfinished and no dataset accepts it. Entries are read through MMEngine's LMDB backend; names
of videos and frames live in the JSON file, so that they may have any letters.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
import threading
import uuid
import zlib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

import cv2
import numpy as np
from mmengine.fileio import BaseStorageBackend, get_file_backend
from mmengine.logging import print_log

from cdvd_mm.files import write_atomically
from cdvd_mm.progress import progress_bar

from .frame_io import FrameError, decode_frame, read_bytes
from .layouts import Video

INDEX_NAME = 'frame_store.json'
PLAN_NAME = 'frame_store.part.json'
DATA_NAME = 'data.mdb'
FORMAT = 'cdvd_mm frame store'
VERSION = 1
CODECS = ('png', 'raw')
TILE = 80  # divides 720 and 1280; a raw tile fills 94 % of the five 4 KiB pages that LMDB gives it

_KINDS = {'blur': 'b', 'sharp': 's'}
_COMPLETE = 'complete'
_COMMIT_FRAMES = 32


# ------------------------------------------------------------------------ reading

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
        pid, store = _STORES.get(root, (None, None))
        if pid != os.getpid():
            store = FrameStore(root)
            _STORES[root] = (os.getpid(), store)
        return store


def _import_lmdb():
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
        with open(path, encoding='utf-8') as file:
            text = file.read()
        try:
            index = json.loads(text)
            found = (index['format'], index['version'])
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f'{path} is damaged ({error!r}); write the store again') from error
        if found != (FORMAT, VERSION):
            raise ValueError(f'{path}: expected {FORMAT} version {VERSION}, found {found[0]} '
                             f'version {found[1]}; write the store again with this version')
        data = os.path.join(root, DATA_NAME)
        size = os.path.getsize(data) if os.path.exists(data) else 0
        if size < index['data_bytes']:
            raise ValueError(f'{data} has {size} bytes, expected {index["data_bytes"]}: the store '
                             'was cut off; copy it again, or remove it and write it again')
        self.index = index
        self.codec, self.tile = index['codec'], index['tile']
        self._records = {(split, video['name']): video
                         for split, videos in index['videos'].items() for video in videos}
        self._positions = {key: {stem: i for i, stem in enumerate(video['frames'])}
                           for key, video in self._records.items()}
        self._backend = None

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
            base = f'{self.root}::{split}/{record["name"]}'
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
        if record is None or position is None or kind not in _KINDS:
            raise FrameError(f'{self.root}::{name}', 'not in the frame store',
                             'write the store again from the whole dataset')
        height, width = record['height'], record['width']
        top, left, rows, columns = box or (0, 0, height, width)
        if top < 0 or left < 0 or top + rows > height or left + columns > width:
            raise ValueError(f'box {box} reaches out of the {width}x{height} frame {name}')
        prefix = f'{record["first"] + position:08d}{_KINDS[kind]}'
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
            pixels = np.frombuffer(value, np.uint8, offset=4)
            if self.codec == 'png':
                pixels = cv2.imdecode(pixels, cv2.IMREAD_COLOR)
            if pixels is not None and pixels.size == height * width * 3:
                return pixels.reshape(height, width, 3)
        raise FrameError(f'{self.root}::{name}', f'damaged entry {key} in the frame store',
                         'copy the store again, or remove it and write it again')

    def _get(self, key: str) -> bytes | None:
        if self._backend is None:
            with _OPENING:
                self._backend = self._backend or self._open()
        return self._backend.get(key)

    def _open(self) -> BaseStorageBackend:
        _import_lmdb()
        backend = get_file_backend(backend_args=dict(backend='lmdb', db_path=self.root))
        if backend.get(_COMPLETE) != self.index['id'].encode():
            raise ValueError(f'{self.root}: {DATA_NAME} and {INDEX_NAME} do not belong together; '
                             'copy the store again or write it again')
        return backend


# ------------------------------------------------------------------------ writing

def encode_frame(path: str, tile: int, codec: str, size: tuple[int, int],
                 prefix: str) -> list[tuple[bytes, bytes]]:
    """Cut a frame into the entries of a store.

    Args:
        path: PNG or JPEG file.
        tile: Side of a tile.
        codec: 'png' or 'raw'.
        size: (height, width) that the frame must have.
        prefix: Start of the keys.

    Returns:
        Keys and values, the tiles from left to right and from top to bottom.

    Raises:
        FrameError: The frame is broken or of another size.
    """
    image = decode_frame(read_bytes(path), path, deep=True)
    if image.shape[:2] != size:
        raise FrameError(path, f'{image.shape[1]}x{image.shape[0]}, the video is '
                         f'{size[1]}x{size[0]}', 'all frames of a video must have one size')
    image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    entries, number = [], 0
    for y in range(0, size[0], tile):
        for x in range(0, size[1], tile):
            pixels = np.ascontiguousarray(image[y:y + tile, x:x + tile])
            if codec == 'png':
                # The decoder swaps nothing: RGB goes in as if it were BGR and comes out as RGB.
                level = [cv2.IMWRITE_PNG_COMPRESSION, 4]
                payload = cv2.imencode('.png', pixels, level)[1].tobytes()
            else:
                payload = pixels.tobytes()
            key = f'{prefix}{number:05d}'.encode()
            entries.append((key, struct.pack('<I', zlib.crc32(payload)) + payload))
            number += 1
    return entries


def write_store(out: str, videos: dict[str, list[Video]], codec: str = 'raw', tile: int = TILE,
                workers: int | None = None) -> str:
    """Write a frame store, or go on with one.

    It may be stopped at any time (Ctrl-C, kill -9, power cut, full disk): what has been committed
    is kept, the folder does not count as a store before its last step, and the same call goes on.

    Args:
        out: Folder of the store.
        videos: The checked videos of each split, of files.
        codec: 'png' (about the size of the dataset) or 'raw' (3 bytes a pixel, fastest).
        tile: Side of a tile in pixels.
        workers: Threads that decode and encode; ``None`` for one a core.

    Returns:
        What was done, in a sentence.

    Raises:
        ValueError: Unknown codec, or the folder holds another store.
        FrameError: A frame is broken.
        OSError: The disk is full or not writable.
    """
    lmdb = _import_lmdb()
    if codec not in CODECS:
        raise ValueError(f'codec must be one of {CODECS}, found {codec!r}')
    plan = _plan(videos, codec, tile)
    plan_text = json.dumps(plan, ensure_ascii=False, sort_keys=True)
    signature = hashlib.sha256(plan_text.encode()).hexdigest()
    if is_store(out):
        if FrameStore(os.path.abspath(out)).index.get('signature') == signature:
            return f'{out} is already complete, nothing to do'
        raise ValueError(f'{out} holds another frame store; remove it or choose another folder')
    os.makedirs(out, exist_ok=True)
    _check_plan(out, plan_text)
    jobs = _jobs(videos, plan)
    pixels = sum(size[0] * size[1] * 3 for _, _, size in jobs)
    try:
        with lmdb.open(out, map_size=int(pixels * 1.6) + (1 << 28), subdir=True,
                       readahead=False) as database:
            written = _write_frames(database, jobs, codec, tile, workers or os.cpu_count() or 1,
                                    out)
            store_id = uuid.uuid4().hex
            with database.begin(write=True) as transaction:
                transaction.put(_COMPLETE.encode(), store_id.encode())
            database.sync(True)
    except lmdb.Error as error:
        raise OSError(f'{out}: the store cannot be written on ({error}); free some space '
                      f'({pixels / 1e9:.1f} GB at most are needed) and run the same command again, '
                      'it goes on where it stopped') from error
    index = dict(plan, format=FORMAT, version=VERSION, id=store_id, signature=signature,
                 data_bytes=os.path.getsize(os.path.join(out, DATA_NAME)))
    write_atomically(os.path.join(out, INDEX_NAME), json.dumps(index, ensure_ascii=False))
    os.unlink(os.path.join(out, PLAN_NAME))
    return (f'{out} is complete: {len(jobs)} frames ({written} written now), '
            f'{index["data_bytes"] / 1e9:.2f} GB')


def _plan(videos: dict[str, list[Video]], codec: str, tile: int) -> dict:
    records, first = {}, 0
    for split, entries in videos.items():
        records[split] = []
        for video in entries:
            records[split].append(dict(
                name=video.name, first=first, frames=video.stems, height=video.size[0],
                width=video.size[1], sharp=video.sharp is not None))
            first += len(video)
    return dict(codec=codec, tile=tile, videos=records)


def _check_plan(out: str, plan_text: str) -> None:
    path = os.path.join(out, PLAN_NAME)
    if os.path.exists(path):
        with open(path, encoding='utf-8') as file:
            if file.read() != plan_text:
                raise ValueError(f'{out} holds an unfinished frame store of other frames or '
                                 'settings; remove it or choose another folder')
        print_log(f'{out}: going on with an unfinished store', logger='current')
        return
    if os.path.exists(os.path.join(out, DATA_NAME)):
        raise ValueError(f'{out} holds an LMDB file of something else; choose another folder')
    write_atomically(path, plan_text)


def _jobs(videos: dict[str, list[Video]], plan: dict) -> list[tuple[str, str, tuple[int, int]]]:
    """(key prefix, source file, size) of every frame."""
    jobs = []
    for split, entries in videos.items():
        for video, record in zip(entries, plan['videos'][split]):
            for kind, paths in (('b', video.blur), ('s', video.sharp or ())):
                jobs += [(f'{record["first"] + i:08d}{kind}', path, video.size)
                         for i, path in enumerate(paths)]
    return jobs


def _write_frames(database, jobs: list, codec: str, tile: int, workers: int, out: str) -> int:
    with database.begin() as transaction:
        todo = [job for job in jobs if transaction.get(job[0].encode()) != _fingerprint(job[1])]
    _check_space(out, todo, codec)
    with progress_bar() as bar, ThreadPoolExecutor(workers) as pool:
        task = bar.add_task(f'writing {os.path.basename(os.path.abspath(out))}',
                            total=len(jobs), completed=len(jobs) - len(todo))

        def encode(job):
            prefix, path, size = job
            return prefix, _fingerprint(path), encode_frame(path, tile, codec, size, prefix)

        results = _in_order(pool, encode, todo, 2 * workers)
        while batch := list(islice(results, _COMMIT_FRAMES)):
            with database.begin(write=True) as transaction:
                for prefix, fingerprint, entries in batch:
                    for key, value in entries:
                        transaction.put(key, value)
                    transaction.put(prefix.encode(), fingerprint)
            bar.advance(task, len(batch))
    return len(todo)


def _fingerprint(path: str) -> bytes:
    status = os.stat(path)
    return f'{status.st_size}:{status.st_mtime_ns}'.encode()


def _check_space(out: str, todo: list, codec: str) -> None:
    if codec == 'raw':
        needed = sum(size[0] * size[1] * 3 for _, _, size in todo)
    else:
        needed = sum(os.path.getsize(path) for _, path, _ in todo)
    free = shutil.disk_usage(out).free
    if needed > free:
        raise OSError(f'{out}: about {needed / 1e9:.1f} GB are needed and {free / 1e9:.1f} GB are '
                      'free; free some space, choose another disk or the other --codec')


def _in_order(pool: ThreadPoolExecutor, function, items: list, ahead: int) -> Iterator:
    """``map`` that never works more than ``ahead`` items ahead of its reader."""
    pending: list[Future] = []
    items = iter(items)
    for item in islice(items, ahead):
        pending.append(pool.submit(function, item))
    try:
        while pending:
            result = pending.pop(0).result()
            for item in islice(items, 1):
                pending.append(pool.submit(function, item))
            yield result
    finally:
        for future in pending:
            future.cancel()
