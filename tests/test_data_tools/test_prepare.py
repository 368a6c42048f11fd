"""Checking a download."""

from __future__ import annotations

import importlib.util
import json

import cv2
import numpy as np
import pytest
from video_data import frame, save

from cdvd_mm.data_tools.prepare import check_dataset, prepare
from cdvd_mm.datasets import DVDDataset, GoProDataset


@pytest.fixture
def tool(repo_root):
    """tools/dataset_converters/prepare.py as a module."""
    path = repo_root / 'tools' / 'dataset_converters' / 'prepare.py'
    spec = importlib.util.spec_from_file_location('prepare_tool', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_own_pairs(make_dataset, tmp_path, tool, capsys):
    root = make_dataset(train={'a': 5}, test={'b': 6})
    (root / 'train/a/blur/Thumbs.db').write_bytes(b'x')
    report_path = tmp_path / 'report.json'
    assert tool.main(['GOPRO', str(root), '--deep', '--json', str(report_path)]) == 0
    out = capsys.readouterr().out
    assert 'nothing is wrong (every frame decoded)' in out and 'Thumbs.db' in out
    report = json.loads(report_path.read_text())
    assert report['ok'] and report['splits']['train']['num_frames'] == 5
    assert report['splits']['test']['videos'][0] == dict(
        name='b', frames=6, size=[48, 64], ground_truth=True)


def test_published_dvd_counts(make_dataset):
    root = make_dataset('dvd', test=dict.fromkeys(DVDDataset.OFFICIAL_TEST_VIDEOS[1:], 5),
                        train={'x': 5}, size=(16, 16))
    problems = [str(p) for p in check_dataset('DVD', str(root)).problems]
    assert any('720p_240fps_2: official test video, missing' in p for p in problems)
    assert sum('5 frames, the published video has 100' in p for p in problems) == 9
    assert any('train: 1 videos with 5 frames, the published dataset has 61 with 5708' in p
               for p in problems)


def test_leak_and_foreign_test_videos(make_dataset):
    names = list(GoProDataset.OFFICIAL_TEST_VIDEOS)
    root = make_dataset('repacked', train={names[0]: 5}, test={names[1]: 5, 'own': 5},
                        size=(16, 16))
    problems = [str(p) for p in check_dataset('GOPRO', str(root)).problems]
    assert any('official test video among the training videos' in p for p in problems)
    assert any('own: not one of the official test videos' in p for p in problems)
    assert sum('16x16, the published video is 1280x720' in p for p in problems) == 3


def test_blur_against_blur_gamma(make_dataset):
    root = make_dataset(train={'copy': 5, 'swapped': 5, 'good': 5, 'only': 5})
    for video in ('copy', 'swapped', 'good', 'only'):
        for number in range(1, 6):
            linear = root / f'train/{video}/blur/{number:06d}.png'
            image = cv2.cvtColor(cv2.imread(str(linear)), cv2.COLOR_BGR2RGB)
            offset = {'copy': 0, 'swapped': -2, 'good': 2, 'only': 2}[video]
            save(root / f'train/{video}/blur_gamma/{number:06d}.png',
                 np.clip(image.astype(int) + offset, 0, 255).astype(np.uint8))
            if video == 'only':
                linear.unlink()
    (root / 'train/only/blur').rmdir()
    problems = [str(p) for p in check_dataset('GOPRO', str(root)).problems]
    assert len(problems) == 3
    assert any('copy/blur: the same frames as in blur_gamma' in p for p in problems)
    assert any('swapped/blur: brighter than blur_gamma' in p for p in problems)
    assert any('only/blur: missing, there is only `blur_gamma`' in p for p in problems)


def test_deep_finds_what_headers_do_not_tell(make_dataset, tmp_path, tool, capsys):
    root = make_dataset(train={'a': 6})
    path = root / 'train/a/sharp/000002.png'
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xff
    path.write_bytes(content)
    assert not check_dataset('GOPRO', str(root)).problems
    store = tmp_path / 'store'
    assert tool.main(['GOPRO', str(root), '--deep', '--store', str(store)]) == 1
    captured = capsys.readouterr()
    assert '1 problem(s)' in captured.err and 'the store was not written' in captured.err
    assert 'checksum' in captured.out and not store.exists()
    # without --deep the store's writer finds it, names it, and leaves no finished store
    with pytest.raises(ValueError, match='000002.png: corrupt PNG'):
        prepare('GOPRO', str(root), store=str(store))
    save(path, frame('a', 2, 'sharp'))
    prepare('GOPRO', str(root), store=str(store))
    assert len(GoProDataset(str(store))) == 2


def test_nothing_to_check(make_dataset, tmp_path, tool, capsys):
    with pytest.raises(FileNotFoundError, match='is empty'):
        check_dataset('GOPRO', str(tmp_path))
    root = make_dataset('dvd', train={'a': 5})
    with pytest.raises(FileNotFoundError, match='no videos of GOPRO'):
        check_dataset('GOPRO', str(root))
    assert tool.main(['GOPRO', str(tmp_path / 'nowhere')]) == 1
    assert 'does not exist' in capsys.readouterr().err
    with pytest.raises(SystemExit) as error:
        tool.main(['KITTI', str(root)])
    assert error.value.code == 2
