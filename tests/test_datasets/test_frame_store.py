"""The frame store: the same pixels, whole or not at all, going on after being killed."""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import shutil
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from video_data import frame, save

from cdvd_mm.data_tools import store_writer
from cdvd_mm.data_tools.prepare import prepare
from cdvd_mm.datasets import GoProDataset, frame_store
from cdvd_mm.datasets.frames import read_frame
from cdvd_mm.datasets.records import FrameError

FORK = multiprocessing.get_context('fork')
KEYS = ['img', 'gt']
TRAIN = [dict(type='LoadVideoFrames', crop_size=(32, 40)),
         dict(type='Flip', keys=KEYS, direction='horizontal'),
         dict(type='RandomTransposeHW', keys=KEYS),
         dict(type='TemporalReverse', keys=KEYS),
         dict(type='PackInputs', meta_keys=['key'])]


@pytest.fixture
def data(make_dataset):
    return make_dataset(train={'a b': 7, 'ü': 6}, test={'t': 6},
                        size={'a b': (90, 130), 'ü': (161, 81), 't': (48, 64)})


@pytest.mark.parametrize('codec', ['png', 'raw'])
def test_same_tensors_for_one_seed(data, tmp_path, codec):
    store = str(tmp_path / 'store')
    prepare('GOPRO', str(data), store=store, codec=codec)
    files, entries = (GoProDataset(root, pipeline=TRAIN, repeat=2) for root in (data, store))
    assert len(files) == len(entries) == 2 * (3 + 2)
    for i in range(len(files)):
        samples = []
        for dataset in (files, entries):
            np.random.seed(i)
            samples.append(dataset[i])
        assert (samples[0]['inputs'] == samples[1]['inputs']).all()
        assert (samples[0]['data_samples'].gt_img == samples[1]['data_samples'].gt_img).all()
        assert samples[0]['data_samples'].key == samples[1]['data_samples'].key
    test = GoProDataset(store, split='test', test_mode=True, num_frames=3,
                        pipeline=[dict(type='LoadVideoFrames', cache_frames=4)])
    assert len(test) == 4
    assert np.array_equal(test[0]['gt'], frame('t', 2, 'sharp'))
    whole = read_frame(f'{store}::train/ü/sharp/000004')
    assert np.array_equal(whole, frame('ü', 4, 'sharp', (161, 81)))


def test_what_is_not_there(data, tmp_path):
    store = str(tmp_path / 'store')
    prepare('GOPRO', str(data), store=store)
    opened = frame_store.open_store(store)
    with pytest.raises(FrameError, match='not in the frame store'):
        opened.read('train/a b/blur/000099')
    with pytest.raises(ValueError, match='reaches out of the 64x48'):
        opened.read('test/t/blur/000001', (0, 0, 49, 20))
    with pytest.raises(FileNotFoundError, match="no split 'val'"):
        opened.videos('val')
    with pytest.raises(ValueError, match='is a frame store; give the folder'):
        prepare('GOPRO', store)


def test_writing_twice(data, tmp_path):
    store = str(tmp_path / 'store')
    first = prepare('GOPRO', str(data), store=store)
    assert 'is complete: 38 frames (38 written now)' in first.notes[-1]
    assert 'nothing to do' in prepare('GOPRO', str(data), store=store).notes[-1]
    with pytest.raises(ValueError, match='holds another frame store'):
        prepare('GOPRO', str(data), store=store, codec='png')
    with pytest.raises(ValueError, match='codec must be one of'):
        prepare('GOPRO', str(data), store=store, codec='zip')


def test_killed_while_writing(make_dataset, tmp_path):
    """kill -9 in the middle: refused by datasets, completed by the same command."""
    root = make_dataset(train={'a': 100}, size=(240, 320))
    store = tmp_path / 'store'
    encode = store_writer.encode_frame

    def write():
        def slow(*args):
            time.sleep(0.02)
            return encode(*args)

        store_writer._COMMIT_FRAMES, store_writer.encode_frame = 4, slow
        prepare('GOPRO', str(root), store=str(store), workers=1)

    process = FORK.Process(target=write)
    process.start()
    data = store / 'data.mdb'
    for _ in range(600):
        if data.exists() and data.stat().st_size > 4e6:
            break
        assert process.is_alive(), 'finished before it was killed'
        time.sleep(0.05)
    process.kill()
    process.join()
    assert not (store / 'frame_store.json').exists()
    with pytest.raises(FileNotFoundError, match='unfinished frame store.*goes on where it stopp'):
        GoProDataset(str(store))

    report = prepare('GOPRO', str(root), store=str(store))
    written = int(report.notes[-1].split('(')[1].split()[0])
    assert 0 < written < 200  # what was committed is kept
    for i in (0, 57, 95):
        index = GoProDataset(str(store)).get_data_info(i)
        assert np.array_equal(read_frame(index['img_path'][2]),
                              frame('a', i + 3, 'blur', (240, 320)))


def test_other_frames_do_not_go_into_an_unfinished_store(data, tmp_path):
    store = tmp_path / 'store'
    prepare('GOPRO', str(data), store=str(store))
    shutil.copy(store / 'data.mdb', tmp_path / 'data.mdb')
    (store / 'frame_store.json').rename(store / 'frame_store.part.json')
    with pytest.raises(ValueError, match='unfinished frame store of other frames or settings'):
        prepare('GOPRO', str(data), store=str(store))
    other = tmp_path / 'other'
    other.mkdir()
    shutil.copy(tmp_path / 'data.mdb', other)
    with pytest.raises(ValueError, match='LMDB file of something else'):
        prepare('GOPRO', str(data), store=str(other))


def test_damaged_stores(data, tmp_path):
    good = tmp_path / 'store'
    prepare('GOPRO', str(data), store=str(good))
    content = (good / 'data.mdb').read_bytes()

    def copy(name: str, content: bytes, index: str | None = None):
        folder = tmp_path / name
        folder.mkdir()
        (folder / 'data.mdb').write_bytes(content)
        (folder / 'frame_store.json').write_text(
            index or (good / 'frame_store.json').read_text())
        return folder

    with pytest.raises(ValueError, match='was cut off; copy it again'):
        GoProDataset(copy('short', content[:-5000]))
    with pytest.raises(ValueError, match='frame_store.json is damaged'):
        GoProDataset(copy('index', content, '{"format": '))
    index = json.loads((good / 'frame_store.json').read_text())
    with pytest.raises(ValueError, match='version 1, found cdvd_mm frame store version 9'):
        GoProDataset(copy('version', content, json.dumps(dict(index, version=9))))
    mixed = copy('mixed', content, json.dumps(dict(index, id='0' * 32)))
    with pytest.raises(ValueError, match='do not belong together'):
        read_frame(f'{mixed}::test/t/blur/000001')
    pixels = np.ascontiguousarray(frame('t', 1, 'blur')).tobytes()
    position = content.index(pixels[:600])
    flipped = copy('flipped', content[:position + 40] + b'\x00\xff' + content[position + 42:])
    with pytest.raises(FrameError, match='test/t/blur/000001: damaged entry'):
        read_frame(f'{flipped}::test/t/blur/000001')


def test_full_disk(data, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(store_writer.shutil, 'disk_usage', lambda _: usage._replace(free=1000))
    with pytest.raises(OSError, match='GB are needed and 0.0 GB are free; free some space'):
        prepare('GOPRO', str(data), store=str(tmp_path / 'store'))
    monkeypatch.undo()
    # a limit on file sizes ends a write as a full disk does
    store, queue = tmp_path / 'limited', FORK.Queue()

    def write():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (400000, 400000))
        try:
            prepare('GOPRO', str(data), store=str(store))
        except OSError as error:
            queue.put(str(error))

    process = FORK.Process(target=write)
    process.start()
    message = queue.get(timeout=100)
    process.join()
    assert 'the store cannot be written on' in message and 'goes on where it stopped' in message
    with pytest.raises(FileNotFoundError, match='unfinished'):
        GoProDataset(str(store))
    prepare('GOPRO', str(data), store=str(store))
    assert len(GoProDataset(str(store))) == 5


def test_without_lmdb(data, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'lmdb', None)
    with pytest.raises(ValueError, match='needs the package lmdb'):
        prepare('GOPRO', str(data), store=str(tmp_path / 'store'))


def test_workers_after_a_fork(data, tmp_path):
    """A store opened in the main process is opened anew in the loader's workers."""
    from torch.utils.data import DataLoader
    store = str(tmp_path / 'store')
    prepare('GOPRO', str(data), store=store)
    dataset = GoProDataset(store, num_frames=3, videos=['a b'],
                           pipeline=[dict(type='LoadVideoFrames', crop_size=32),
                                     dict(type='PackInputs')])
    assert dataset[0]['inputs'].shape == (3, 3, 32, 32)
    loader = DataLoader(dataset, num_workers=2, batch_size=None, collate_fn=lambda s: s['inputs'])
    assert len(list(loader)) == 5
    assert os.getpid() == frame_store._STORES[os.path.abspath(store)][0]


def test_threads_open_a_store_once(data, tmp_path, monkeypatch):
    """LMDB refuses to open a store twice in a process."""
    import lmdb
    store = str(tmp_path / 'store')
    prepare('GOPRO', str(data), store=store)
    opened, open_database = [], lmdb.open

    def slow(path, **options):
        opened.append(path)
        time.sleep(0.2)  # long enough for the others to come by
        return open_database(path, **options)

    monkeypatch.setattr(lmdb, 'open', slow)
    paths = [f'{store}::test/t/sharp/{i:06d}' for i in range(1, 5)]
    with ThreadPoolExecutor(4) as pool:
        frames = list(pool.map(read_frame, paths))
    assert len(opened) == 1
    assert all(np.array_equal(frames[i - 1], frame('t', i, 'sharp')) for i in range(1, 5))


def change(index: dict, *path, to) -> dict:
    """A copy of an index with one entry changed; ``to`` may take the old value."""
    copy = json.loads(json.dumps(index))
    place = copy
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = to(place[path[-1]]) if callable(to) else to
    return copy


@pytest.fixture(scope='module')
def small_store(tmp_path_factory):
    root = tmp_path_factory.mktemp('small')
    for kind in ('blur', 'sharp'):
        for number in range(1, 6):
            save(root / f'data/train/a/{kind}/{number:06d}.png', frame('a', number, kind))
    prepare('GOPRO', str(root / 'data'), store=str(root / 'store'))
    return root / 'store'


VIDEO = ('videos', 'train', 0)
WRONG_INDEX = {
    'name of a video': (*VIDEO, 'name', '../../x'),
    'absolute name': (*VIDEO, 'name', '/etc/x'),
    'no text': (*VIDEO, 'name', 7),
    'dots': (*VIDEO, 'name', '..'),
    'name of a frame': (*VIDEO, 'frames', lambda frames: ['../x', *frames[1:]]),
    'backslash': (*VIDEO, 'frames', lambda frames: ['..\\x', *frames[1:]]),
    'empty name': (*VIDEO, 'frames', lambda frames: ['', *frames[1:]]),
    'a frame twice': (*VIDEO, 'frames', lambda frames: [frames[1], *frames[1:]]),
    'a video twice': ('videos', 'train', lambda videos: videos * 2),
    'name of a split': ('videos', lambda videos: {'../train': videos['train']}),
    'no list': (*VIDEO, 'frames', 'abc'),
    'height': (*VIDEO, 'height', -1),
    'width': (*VIDEO, 'width', '64'),
    'first': (*VIDEO, 'first', None),
    'sharp': (*VIDEO, 'sharp', 1),
    'tile': ('tile', 0),
    'codec': ('codec', 'zip'),
    'size': ('data_bytes', True),
    'videos': ('videos', [1, 2]),
}


@pytest.mark.parametrize('name', WRONG_INDEX)
def test_an_index_is_checked_where_it_is_read(small_store, tmp_path, name):
    *path, to = WRONG_INDEX[name]
    index = json.loads((small_store / 'frame_store.json').read_text())
    (tmp_path / 'frame_store.json').write_text(json.dumps(change(index, *path, to=to)))
    shutil.copy(small_store / 'data.mdb', tmp_path)
    with pytest.raises(ValueError, match='frame_store.json is damaged .*write the store again'):
        GoProDataset(str(tmp_path))


def in_child(function) -> int:
    """Exit code of a function in a process of its own: 0, or minus the signal that ended it."""
    process = FORK.Process(target=function)
    process.start()
    process.join(60)
    return process.exitcode


@pytest.mark.parametrize('when', ['before it is opened', 'while it is read'])
def test_a_cut_data_file_does_not_end_the_process(small_store, tmp_path, when):
    """Mapped pages that are not there would: SIGBUS. The index may not know the size either."""
    index = json.loads((small_store / 'frame_store.json').read_text())
    (tmp_path / 'frame_store.json').write_text(json.dumps(dict(index, data_bytes=0)))
    shutil.copy(small_store / 'data.mdb', tmp_path)
    names = [f'{tmp_path}::train/a/{kind}/{n:06d}' for kind in ('blur', 'sharp') for n in (1, 5)]

    def read():
        if when == 'while it is read':
            read_frame(names[0])
        os.truncate(tmp_path / 'data.mdb', 3 * 4096)
        for name in names:
            with pytest.raises(FrameError, match='data.mdb: .*cut off; copy it again'):
                read_frame(name)

    assert in_child(read) == 0


def test_damage_in_the_data_file_is_one_error(small_store, tmp_path):
    """Every page overwritten in turn: the right frame, or an error that names the store."""
    content = (small_store / 'data.mdb').read_bytes()
    shutil.copy(small_store / 'frame_store.json', tmp_path)
    pages = range(0, len(content), 4096)

    def read():
        for start in list(pages)[::7]:
            (tmp_path / 'data.mdb').write_bytes(
                content[:start] + b'\x5a' * 4096 + content[start + 4096:])
            store = frame_store.FrameStore(str(tmp_path))
            for number in (1, 4):
                try:
                    found = store.read(f'train/a/sharp/{number:06d}')
                except ValueError as error:
                    assert str(tmp_path) in str(error)
                else:
                    assert np.array_equal(found, frame('a', number, 'sharp'))

    assert in_child(read) == 0
