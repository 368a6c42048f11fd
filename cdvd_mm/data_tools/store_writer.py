"""Write a frame store (:mod:`cdvd_mm.datasets.frame_store`), or go on with one."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
import uuid
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any

import cv2
import numpy as np
from mmengine.logging import print_log

from cdvd_mm.datasets.frame_files import decode_frame, read_bytes
from cdvd_mm.datasets.frame_store import (
    CODECS,
    COMPLETE,
    DATA_NAME,
    FORMAT,
    INDEX_NAME,
    KINDS,
    PLAN_NAME,
    VERSION,
    FrameStore,
    import_lmdb,
    is_store,
)
from cdvd_mm.datasets.records import FrameError, Video
from cdvd_mm.files import write_atomically
from cdvd_mm.progress import progress_bar

TILE = 80  # divides 720 and 1280; a raw tile fills 94 % of the five 4 KiB pages that LMDB gives it
_COMMIT_FRAMES = 32


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
    lmdb = import_lmdb()
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
                transaction.put(COMPLETE.encode(), store_id.encode())
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
    records: dict[str, list[dict]] = {}
    first = 0
    for split, entries in videos.items():
        records[split] = []
        for video in entries:
            records[split].append(dict(
                name=video.name, first=first, frames=video.stems, height=video.shape[0],
                width=video.shape[1], sharp=video.sharp is not None))
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
    jobs: list[tuple[str, str, tuple[int, int]]] = []
    for split, entries in videos.items():
        for video, record in zip(entries, plan['videos'][split]):
            for kind, paths in ((KINDS['blur'], video.blur), (KINDS['sharp'], video.sharp or ())):
                jobs += [(f'{record["first"] + i:08d}{kind}', path, video.shape)
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


def _in_order(pool: ThreadPoolExecutor, function: Callable, items: Iterable,
              ahead: int) -> Iterator[Any]:
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
