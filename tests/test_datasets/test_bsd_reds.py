"""BSD and REDS: folders as published, splits, exposures, the store."""

from __future__ import annotations

import json

import numpy as np
import pytest
from video_data import frame, save

from cdvd_mm.data_tools.prepare import check_dataset, prepare
from cdvd_mm.datasets import BSDDataset, GoProDataset, REDSDataset
from cdvd_mm.datasets.reds import REDS4

LOAD = [dict(type='LoadVideoFrames')]


def videos_of(dataset) -> set[str]:
    return {dataset.get_data_info(i)['video'] for i in range(len(dataset))}


@pytest.fixture
def bsd(make_dataset):
    return make_dataset('bsd', first=0, train={'000': 6, '001': 5}, valid={'050': 5},
                        test={'070': 7})


def test_bsd_as_published(bsd):
    dataset = BSDDataset(bsd, pipeline=LOAD)
    assert len(dataset) == 2 + 1
    sample = dataset[1]
    assert sample['key'] == '000/00000003'
    for key, kind in (('img', 'Blur'), ('gt', 'Sharp')):
        for number, found in zip(range(1, 6), sample[key]):
            assert np.array_equal(found, frame('000', number, kind))
    assert videos_of(BSDDataset(bsd, split='valid', test_mode=True)) == {'050'}
    test = BSDDataset(bsd / 'BSD_1ms8ms', split='test', test_mode=True, mode='video')
    assert len(test) == 1 and test.get_data_info(0)['video_length'] == 7


def test_bsd_frames_beside_raw_ones_or_without_a_folder_of_their_own(bsd):
    video = bsd / 'BSD_1ms8ms/test/070'
    (video / 'Blur' / 'RAW').mkdir()
    assert len(BSDDataset(bsd, split='test', test_mode=True)) == 3
    for kind in ('Blur', 'Sharp'):
        for path in (video / kind / 'RGB').iterdir():
            path.rename(video / kind / path.name)
        (video / kind / 'RGB').rmdir()
    assert len(BSDDataset(bsd, split='test', test_mode=True)) == 3


@pytest.mark.parametrize('names, exposure, chosen', [
    (['BSD_1ms8ms'], None, 'BSD_1ms8ms'),
    (['BSD_1ms8ms', 'BSD_2ms16ms', 'BSD_3ms24ms'], '2ms16ms', 'BSD_2ms16ms'),
    (['1ms_8ms', 'bsd 3 ms - 24 ms'], '3ms24ms', 'bsd 3 ms - 24 ms'),
])
def test_bsd_exposures_are_found_by_looking(tmp_path, names, exposure, chosen):
    for name in names:
        (tmp_path / name / 'train').mkdir(parents=True)
    assert BSDDataset.find_root(str(tmp_path), exposure) == str(tmp_path / chosen)
    assert BSDDataset.find_root(str(tmp_path / chosen), exposure) == str(tmp_path / chosen)


def test_bsd_exposures_that_are_not_clear(tmp_path):
    for name in ('BSD_1ms8ms', 'BSD_2ms16ms'):
        (tmp_path / name / 'train').mkdir(parents=True)
    with pytest.raises(ValueError, match="several exposures, BSD_1ms8ms, BSD_2ms16ms: choose one "
                       "\\(exposure='1ms8ms'"):
        BSDDataset(tmp_path)
    with pytest.raises(FileNotFoundError, match='no folder of exposure 3ms24ms.*BSD_3ms24ms'):
        BSDDataset(tmp_path, exposure='3ms24ms')
    with pytest.raises(ValueError, match="one of 1ms8ms, 2ms16ms, 3ms24ms, found '1ms'"):
        BSDDataset(tmp_path, exposure='1ms')
    with pytest.raises(ValueError, match='is the folder of 1ms8ms, not of 2ms16ms'):
        BSDDataset(tmp_path / 'BSD_1ms8ms', exposure='2ms16ms')
    with pytest.raises(ValueError, match="one of train, valid, test, found 'val'"):
        BSDDataset(tmp_path, exposure='1ms8ms', split='val')
    with pytest.raises(FileNotFoundError, match='does not exist'):
        BSDDataset(tmp_path / 'nowhere')


@pytest.fixture
def reds(make_dataset):
    return make_dataset('reds', first=0, size=(16, 24), val={'000': 5, '029': 6},
                        train={'000': 5, '001': 5, '011': 5})


@pytest.mark.parametrize('inside', [False, True])
def test_reds_as_published(reds, inside):
    if inside:  # as the archives unpack
        for part in ('train', 'val'):
            (reds / part).mkdir()
            for kind in ('blur', 'sharp'):
                (reds / f'{part}_{kind}').rename(reds / part / f'{part}_{kind}')
    train = REDSDataset(reds, pipeline=LOAD)
    assert videos_of(train) == {'000', '001', '011'}
    assert np.array_equal(train[0]['gt'][4], frame('000', 4, 'sharp', (16, 24)))
    test = REDSDataset(reds, split='test', test_mode=True, mode='video')
    assert {test.get_data_info(i)['video'] for i in range(len(test))} == {'000', '029'}
    assert '/val_blur/' in test.get_data_info(0)['img_path'][0]


def check_reds4(root, store):
    train = REDSDataset(root, reds4=True)
    assert videos_of(train) == {'001', '240', '269'}
    test = REDSDataset(root, split='test', test_mode=True, reds4=True)
    assert videos_of(test) == {'000', '011'}
    paths = {info['video']: info['img_path'][0] for info in map(train.get_data_info,
                                                                range(len(train)))}
    if store:
        assert '::train/001/blur' in paths['001'] and '::test/029/blur' in paths['269']
    else:
        assert '/train_blur/001/' in paths['001'] and '/val_blur/029/' in paths['269']


def test_reds4_from_files_and_from_a_store(reds, tmp_path):
    check_reds4(reds, store=False)
    report = prepare('REDS', str(reds), store=str(tmp_path / 'store'))
    assert not report.problems
    check_reds4(tmp_path / 'store', store=True)
    assert len(REDS4) == 4


def test_store_of_bsd(bsd, tmp_path):
    store = tmp_path / 'store'
    json_path = tmp_path / 'report.json'
    prepare('BSD', str(bsd), store=str(store), json_path=str(json_path))
    report = json.loads(json_path.read_text())
    assert {name: split['num_frames'] for name, split in report['splits'].items()} == dict(
        train=11, valid=5, test=7)
    assert sum('a part of it or own pairs' in note for note in report['notes']) == 3
    for split, length in (('train', 3), ('valid', 1), ('test', 3)):
        stored = BSDDataset(store, split=split, pipeline=LOAD, test_mode=split != 'train')
        files = BSDDataset(bsd, split=split, pipeline=LOAD, test_mode=split != 'train')
        assert len(stored) == len(files) == length
        assert np.array_equal(stored[0]['img'], files[0]['img'])
        assert np.array_equal(stored[0]['gt'], files[0]['gt'])


def test_prepare_compares_with_what_was_published(make_dataset):
    """19 of 20 test videos of BSD, one of them short and of another size."""
    names = [f'{number:03d}' for number in range(19)]
    size = dict.fromkeys(names, (480, 640)) | {'007': (48, 64)}
    root = make_dataset('bsd', first=0, test=dict.fromkeys(names, 3), size=size, kinds=['Blur'])
    for name in names:
        for number in range(3):
            path = root / f'BSD_1ms8ms/test/{name}/Sharp/RGB/{number:08d}.png'
            save(path, frame(name, number, 'Sharp', size[name]))
    problems = [str(problem) for problem in check_dataset('BSD', str(root)).problems]
    assert any('test: 19 videos, the published dataset has 20' in p for p in problems)
    assert sum('3 frames, the published video has 150' in p for p in problems) == 19
    assert any('007/Blur/RGB: 64x48, the published video is 640x480' in p for p in problems)


def test_layouts_of_others_are_refused(make_dataset, reds, tmp_path):
    gopro = make_dataset(root=tmp_path / 'gopro', train={'a': 5})
    with pytest.raises(FileNotFoundError, match='layout of GOPRO, BSDDataset expects bsd'):
        BSDDataset(gopro)
    with pytest.raises(FileNotFoundError, match='layout of REDS, GoProDataset expects'):
        GoProDataset(reds)
    with pytest.raises(FileNotFoundError, match=r'Expected \{train,val\}_\{blur,sharp\}/<video>/'):
        REDSDataset(tmp_path)
    with pytest.raises(FileNotFoundError, match='no videos of REDS.*train,val'):
        check_dataset('REDS', str(gopro))
