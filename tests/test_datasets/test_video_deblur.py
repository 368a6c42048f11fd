"""Datasets: layouts, windows, runs, and what is said about broken ones."""

from __future__ import annotations

import logging
import os
import shutil

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader
from video_data import frame, save

from cdvd_mm.datasets import DVDDataset, GoProDataset, VideoDeblurDataset
from cdvd_mm.engine.runner import RestorationRunner
from cdvd_mm.registry import DATASETS

LOAD = [dict(type='LoadVideoFrames')]


@pytest.fixture
def warnings_logged(monkeypatch):
    """Messages that the dataset logs at WARNING."""
    messages = []

    def log(message, logger=None, level=logging.INFO):
        if level >= logging.WARNING:
            messages.append(message)

    monkeypatch.setattr('cdvd_mm.datasets.video_deblur.print_log', log)
    return messages


@pytest.mark.parametrize('layout, cls', [('gopro', GoProDataset), ('repacked', GoProDataset),
                                         ('dvd', DVDDataset), ('repacked', DVDDataset)])
def test_layouts_are_found_by_looking(make_dataset, layout, cls):
    test_video = cls.OFFICIAL_TEST_VIDEOS[1]
    root = make_dataset(layout, train={'a': 7, 'b c': 6}, test={test_video: 8})
    train = cls(root, pipeline=LOAD)
    assert len(train) == 3 + 2
    sample = train[1]
    assert sample['key'].startswith('a/') and sample['frame_index'] == 3
    assert sample['video_length'] == 7
    assert len(sample['img']) == len(sample['gt']) == 5
    kinds = {'gopro': ('blur', 'sharp'), 'dvd': ('input', 'GT'), 'repacked': ('blur', 'gt')}[layout]
    for key, kind in zip(('img', 'gt'), kinds):
        for number, found in zip(range(2, 7), sample[key]):
            expected = frame('a', number, kind).astype(int)
            assert found.dtype == np.uint8
            if layout == 'dvd':  # JPEG
                assert abs(found.astype(int) - expected).mean() < 8
            else:
                assert np.array_equal(found, expected)

    test = cls(root, split='test', test_mode=True, pipeline=LOAD)
    assert {info['video'] for info in map(test.get_data_info, range(len(test)))} == {test_video}
    assert len(test) == 4 and test[0]['gt'].shape == (48, 64, 3)
    assert isinstance(test[0]['gt_path'], str)


def test_frames_per_video_and_repeat(make_dataset):
    root = make_dataset(train={'a': 12, 'b': 6})
    dataset = GoProDataset(root, frames_per_video=8, repeat=3)
    assert len(dataset) == 3 * (4 + 2)
    assert dataset.get_data_info(0)['key'] == dataset.get_data_info(6)['key'] == \
        dataset.get_data_info(12)['key']
    assert dataset.get_data_info(-1)['key'] == dataset.get_data_info(17)['key'] == 'b/000004'
    with pytest.raises(IndexError):
        dataset.get_data_info(18)
    with pytest.raises(ValueError, match='frames_per_video=3'):
        GoProDataset(root, frames_per_video=3)


def test_paper_epoch_lengths():
    """1,955 windows of GOPRO and 5,262 of DVD come from videos' first 100 frames."""
    from cdvd_mm.windows import scored_frames
    assert len(scored_frames(100, 2)) == 96
    assert len(scored_frames(134, 2)) == 130
    gopro_test = [100] * 9 + [134, 77]
    assert sum(len(scored_frames(n, 2)) for n in gopro_test) == 1067


def test_ends_are_reflected(make_dataset):
    root = make_dataset(test={'a': 5}, train={})
    dataset = GoProDataset(root, split='test', test_mode=True, skip_ends=0)
    assert len(dataset) == 5
    stems = [os.path.basename(p)[:-4] for p in dataset.get_data_info(0)['img_path']]
    assert stems == ['000003', '000002', '000001', '000002', '000003']
    stems = [os.path.basename(p)[:-4] for p in dataset.get_data_info(4)['img_path']]
    assert stems == ['000003', '000004', '000005', '000004', '000003']


def test_ends_can_be_those_of_the_authors_program(make_dataset):
    root = make_dataset(test={'a': 5}, train={})
    dataset = GoProDataset(root, split='test', test_mode=True, skip_ends=0, ends='repeated')
    windows = [[int(path[-10:-4]) for path in sample['img_path']] for sample in dataset]
    assert windows[0] == [1, 2, 1, 2, 3] and windows[1] == [2, 1, 2, 3, 4]
    assert windows[2] == [1, 2, 3, 4, 5]
    assert windows[3] == [2, 3, 4, 5, 4] and windows[4] == [3, 4, 5, 4, 5]
    with pytest.raises(ValueError, match="found 'mirrored'"):
        GoProDataset(root, ends='mirrored')
    with pytest.raises(ValueError, match="is for mode='window'"):
        GoProDataset(root, mode='video', ends='repeated')


def test_whole_videos_and_runs(make_dataset):
    root = make_dataset(test={'a': 9, 'b': 5})
    whole = GoProDataset(root, split='test', test_mode=True, mode='video', pipeline=LOAD)
    assert len(whole) == 2
    assert len(whole[0]['img']) == len(whole[0]['gt']) == 9
    assert whole[0]['scored_frames'] == list(range(9))

    runs = GoProDataset(root, split='test', test_mode=True, mode='video', run_length=4, overlap=2,
                        skip_ends=2)
    infos = [runs.get_data_info(i) for i in range(len(runs))]
    assert [i['frame_indices'] for i in infos] == [
        [0, 1, 2, 3, 4, 5], [2, 3, 4, 5, 6, 7, 8], [0, 1, 2, 3, 4]]
    assert [i['scored_frames'] for i in infos] == [[2, 3], [4, 5, 6], [2]]
    assert infos[1]['frame_keys'][0] == 'a/000003'


def test_training_runs_are_equally_long(make_dataset):
    root = make_dataset(train={'a': 9, 'b': 8})
    runs = GoProDataset(root, mode='video', run_length=4)
    assert [runs.get_data_info(i)['frame_indices'] for i in range(len(runs))] == [
        [0, 1, 2, 3], [4, 5, 6, 7], [5, 6, 7, 8], [0, 1, 2, 3], [4, 5, 6, 7]]
    assert len(GoProDataset(root, mode='video')) == 2
    with pytest.raises(ValueError, match=r'fewer than run_length=9 frames: b: 8 frames'):
        GoProDataset(root, mode='video', run_length=9)


def test_several_roots(make_dataset, tmp_path):
    one = make_dataset(root=tmp_path / 'one', train={'a': 5, 'b': 6})
    two = make_dataset('repacked', root=tmp_path / 'two', train={'a': 5})
    dvd = make_dataset('dvd', root=tmp_path / 'dvd', train={'c': 5})
    dataset = VideoDeblurDataset([one, two, dvd])
    keys = [dataset.get_data_info(i)['key'] for i in range(len(dataset))]
    assert keys == ['one:a/000003', 'one:b/000003', 'one:b/000004', 'two:a/00003', 'dvd:c/00003']


def test_official_test_videos_never_get_into_mixed_training(make_dataset, tmp_path):
    dvd = make_dataset('dvd', root=tmp_path / 'dvd', train={'c': 5, 'IMG_0003': 5})
    gopro = make_dataset(root=tmp_path / 'gopro', train={'d': 5}, test={'GOPR0384_11_00': 5})
    train, test = (VideoDeblurDataset([dvd, gopro], split=s, test_mode=s == 'test')
                   for s in ('train', 'test'))
    assert [train.get_data_info(i)['video'] for i in range(len(train))] == ['c', 'd']
    assert [test.get_data_info(i)['video'] for i in range(len(test))] == [
        'IMG_0003', 'GOPR0384_11_00']
    leaking = make_dataset('repacked', root=tmp_path / 'own', train={'GOPR0384_11_00': 5})
    with pytest.raises(ValueError, match='official test videos among the training videos'):
        VideoDeblurDataset([dvd, leaking])


def test_portrait_and_mixed_sizes(make_dataset):
    root = make_dataset(train={'tall': 5, 'wide': 5}, size={'tall': (64, 32), 'wide': (32, 64)})
    dataset = GoProDataset(root, pipeline=[dict(type='LoadVideoFrames', crop_size=(24, 32))])
    for i in range(2):
        assert all(f.shape == (24, 32, 3) for f in dataset[i]['img'] + dataset[i]['gt'])
    with pytest.raises(ValueError, match=r'tall \(32x64\)'):
        GoProDataset(root, pipeline=[dict(type='LoadVideoFrames', crop_size=48)])


def test_crop_is_paired_and_seeded(make_dataset):
    root = make_dataset(train={'a': 5})
    dataset = GoProDataset(root, pipeline=[dict(type='LoadVideoFrames', crop_size=16)])
    np.random.seed(3)
    one = dataset[0]
    np.random.seed(3)
    two = dataset[0]
    top, left, height, width = one['crop_box']
    assert one['crop_box'] == two['crop_box']
    for kind, key in (('blur', 'img'), ('sharp', 'gt')):
        for number, found in enumerate(one[key], 1):
            whole = frame('a', number, kind)
            assert np.array_equal(found, whole[top:top + height, left:left + width])


def test_training_pipeline_packs_what_restorers_expect(make_dataset):
    root = make_dataset(train={'a': 6}, test={'b': 6})
    keys = ['img', 'gt']
    meta = ['key', 'video', 'frame_index', 'video_length']
    dataset = DATASETS.build(dict(type='GoProDataset', data_root=str(root), pipeline=[
        dict(type='LoadVideoFrames', crop_size=32),
        dict(type='Flip', keys=keys, flip_ratio=0.5, direction='horizontal'),
        dict(type='Flip', keys=keys, flip_ratio=0.5, direction='vertical'),
        dict(type='RandomTransposeHW', keys=keys),
        dict(type='TemporalReverse', keys=keys),
        dict(type='PackInputs', meta_keys=meta)]))
    sample = dataset[1]
    assert sample['inputs'].shape == (5, 3, 32, 32) and sample['inputs'].dtype == torch.uint8
    assert sample['data_samples'].gt_img.shape == (5, 3, 32, 32)
    assert sample['data_samples'].metainfo['key'] == 'a/000004'
    assert sample['data_samples'].metainfo['img_channel_order'] == 'RGB'
    assert len(sample['data_samples'].metainfo['img_path']) == 5


def test_skip_keys_and_chosen_videos(make_dataset):
    root = make_dataset(test={'a': 7, 'b': 6})
    args = dict(split='test', test_mode=True)
    assert len(GoProDataset(root, videos=['b'], **args)) == 2
    assert len(GoProDataset(root, skip_keys=['a/000003', 'b/000004'], **args)) == 3
    with pytest.raises(ValueError, match=r"\['c'\] are not in split 'test'"):
        GoProDataset(root, videos=['c'], **args)


def test_without_ground_truth(make_dataset, warnings_logged):
    root = make_dataset(test={'a': 6}, kinds=['blur'])
    dataset = GoProDataset(root, split='test', test_mode=True, pipeline=LOAD)
    assert 'gt' not in dataset[0] and 'no ground truth' in warnings_logged[0]
    root = make_dataset(root=root, train={'a': 6}, kinds=['blur'])
    with pytest.raises(ValueError, match='no folder of sharp frames'):
        GoProDataset(root)


# ------------------------------------------------------------------- errors

@pytest.mark.parametrize('num_frames', [4, 1, 2.5, -3])
def test_even_or_odd_window_lengths(make_dataset, num_frames):
    with pytest.raises(ValueError, match='num_frames must be an odd number'):
        GoProDataset(make_dataset(train={'a': 5}), num_frames=num_frames)


def test_wrong_arguments(make_dataset):
    root = make_dataset(train={'a': 5})
    for kwargs, message in ((dict(split='val'), "one of train, test, found 'val'"),
                            (dict(mode='clip'), "'window' or 'video', found 'clip'"),
                            (dict(repeat=0), 'repeat must be at least 1'),
                            (dict(run_length=0), 'run_length must be at least 1')):
        with pytest.raises(ValueError, match=message):
            GoProDataset(root, **kwargs)


def test_too_few_frames_names_every_video(make_dataset):
    root = make_dataset(train={'a': 5, 'b': 4, 'c': 3})
    with pytest.raises(ValueError, match=r'2 video\(s\).*b: 4 frames; c: 3 frames'):
        GoProDataset(root)


def test_missing_and_empty_roots(tmp_path):
    with pytest.raises(FileNotFoundError, match='nowhere.*does not exist'):
        GoProDataset(tmp_path / 'nowhere')
    with pytest.raises(FileNotFoundError, match='is empty'):
        GoProDataset(tmp_path)
    (tmp_path / 'train').mkdir()
    with pytest.raises(FileNotFoundError, match='train is empty'):
        GoProDataset(tmp_path)
    (tmp_path / 'train' / 'a').mkdir()
    with pytest.raises(FileNotFoundError, match=r'Expected \{train,test\}/<video>/\{blur,sharp\}'):
        GoProDataset(tmp_path)


def test_blur_gamma_is_not_taken_for_blur(make_dataset):
    root = make_dataset(train={'a': 5}, kinds=['blur_gamma', 'sharp'])
    with pytest.raises(ValueError, match='only `blur_gamma`'):
        GoProDataset(root)
    make_dataset(root=root, train={'a': 5}, kinds=['blur'])
    assert '/blur/' in GoProDataset(root).get_data_info(0)['img_path'][0]


def test_official_test_videos_are_not_trained_on(make_dataset):
    root = make_dataset(train={'GOPR0384_11_00': 5, 'a': 5})
    with pytest.raises(ValueError, match='GOPR0384_11_00'):
        GoProDataset(root)


def test_incomplete_official_split_is_said(make_dataset, warnings_logged):
    root = make_dataset('dvd', test={'IMG_0003': 5, 'own': 5})
    assert len(DVDDataset(root, split='test', test_mode=True)) == 1
    assert 'not the official one' in warnings_logged[0]


BREAKAGES = {
    'truncated.png': 'truncated PNG', 'truncated.jpg': 'truncated JPEG', 'deep.png': '16-bit PNG',
    'grey.png': 'grey PNG', 'grey.jpg': 'grey JPEG', 'rgba.png': 'RGBA PNG',
    'size.png': '32x24, the video is 64x48', 'empty.png': 'the file is empty',
    'text.png': 'neither PNG nor JPEG',
}


def break_frame(path, how: str) -> str:
    """Replace a frame by a broken one; returns its path."""
    good = frame('a', 1, 'blur')
    suffix = how[how.index('.'):]
    broken = path.with_suffix(suffix)
    path.unlink()
    if how.startswith('truncated'):
        save(broken, good)
        broken.write_bytes(broken.read_bytes()[:-200])
    elif how == 'deep.png':
        save(broken, good.astype(np.uint16) * 257)
    elif how.startswith('grey'):
        save(broken, good[..., 0])
    elif how == 'rgba.png':
        save(broken, np.dstack([good, good[..., 0]]))
    elif how == 'size.png':
        save(broken, cv2.resize(good, (32, 24)))
    elif how == 'empty.png':
        broken.touch()
    elif how == 'text.png':
        broken.write_text('not a picture')
    return str(broken)


def test_every_broken_frame_is_named_in_one_message(make_dataset):
    root = make_dataset(train={'a b ä': 14})
    names = {}
    for number, how in enumerate(BREAKAGES, 1):
        kind = 'blur' if number % 2 else 'sharp'
        names[how] = break_frame(root / 'train' / 'a b ä' / kind / f'{number:06d}.png', how)
    with pytest.raises(ValueError) as error:
        GoProDataset(root)
    message = str(error.value)
    assert message.startswith(f'{len(BREAKAGES)} problem(s)')
    for how, path in names.items():
        line = next(line for line in message.splitlines() if path in line)
        assert BREAKAGES[how] in line and ';' in line  # what is wrong; what to do


def test_unpaired_missing_and_gaps(make_dataset):
    root = make_dataset(train={'a': 9, 'b': 9, 'empty': 1})
    (root / 'train/a/sharp/000004.png').unlink()
    (root / 'train/b/blur/000005.png').unlink()
    (root / 'train/b/sharp/000005.png').unlink()
    for kind in ('blur', 'sharp'):
        (root / f'train/empty/{kind}/000001.png').unlink()
    with pytest.raises(ValueError) as error:
        GoProDataset(root)
    message = str(error.value)
    assert 'blur/000004.png: unpaired' in message
    assert 'train/b/blur: frame numbers jump from 000004 to 000006 (missing: 000005)' in message
    assert 'train/empty/blur: empty video' in message


def test_extra_files_are_named_and_ignored(make_dataset, warnings_logged):
    root = make_dataset(train={'a': 5})
    for name in ('Thumbs.db', '.DS_Store', '._000001.png'):
        (root / 'train/a/blur' / name).write_bytes(b'x')
    assert len(GoProDataset(root)) == 1
    assert all(n in warnings_logged[0] for n in ('Thumbs.db', '.DS_Store', '._000001.png'))


def test_unreadable_permissions(make_dataset, tmp_path):
    root = make_dataset(root=tmp_path / 'data', train={'a': 6, 'b': 6})
    (root / 'train/a/blur/000002.png').chmod(0)
    (root / 'train/b/sharp').chmod(0)
    for folder in (tmp_path, *tmp_path.parents):
        if str(folder).startswith('/tmp/') and os.stat(folder).st_uid == os.getuid():
            folder.chmod(0o755)
    as_root = os.geteuid() == 0
    if as_root:
        os.seteuid(65534)
    try:
        with pytest.raises(ValueError) as error:
            GoProDataset(root)
    finally:
        if as_root:
            os.seteuid(0)
        (root / 'train/b/sharp').chmod(0o755)
    message = str(error.value)
    assert 'a/blur/000002.png: permission denied' in message and 'chmod' in message
    assert 'b/sharp: the folder cannot be listed' in message


def test_frame_that_breaks_after_start_up_is_named(make_dataset):
    root = make_dataset(train={'a': 5})
    dataset = GoProDataset(root, pipeline=LOAD)
    path = root / 'train/a/blur/000003.png'
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xff
    path.write_bytes(content)
    with pytest.raises(ValueError, match='000003.png: corrupt PNG'):
        dataset[0]
    loader = DataLoader(dataset, num_workers=1, collate_fn=list)
    with pytest.raises(ValueError) as error:  # out of a worker: one line all the same
        next(iter(loader))
    assert str(error.value).startswith(str(path)) and len(str(error.value).splitlines()) == 1
    shutil.rmtree(root / 'train/a/sharp')
    path.unlink()
    with pytest.raises(ValueError, match='000003.png: missing'):
        dataset[0]


# ------------------------------------------------------- layouts, order, gaps

@pytest.mark.parametrize('blur', ['blur', 'input', 'lq'])
@pytest.mark.parametrize('sharp', ['sharp', 'gt', 'GT', 'target'])
@pytest.mark.parametrize('form', ['{split}/{kind}/{video}', '{split}/{video}/{kind}'])
def test_names_of_kinds_in_either_form(tmp_path, form, blur, sharp):
    for split in ('train', 'test'):
        for kind in (blur, sharp):
            for number in range(1, 6):
                folder = form.format(split=split, kind=kind, video='a')
                save(tmp_path / folder / f'f_{number}.png', frame('a', number, kind))
    train = GoProDataset(tmp_path, pipeline=LOAD)
    assert len(train) == 1 and train[0]['key'] == 'a/f_3'
    assert np.array_equal(train[0]['img'][1], frame('a', 2, blur))
    assert np.array_equal(train[0]['gt'][1], frame('a', 2, sharp))
    assert len(VideoDeblurDataset(tmp_path, split='test', test_mode=True)) == 1


def numbered(root, numbers, name='frame_{}'):
    for kind in ('blur', 'sharp'):
        for number in numbers:
            save(root / f'train/a/{kind}' / f'{name.format(number)}.png', frame('a', number, kind))
    return root


def test_frames_without_leading_zeros_are_in_the_order_of_numbers(tmp_path):
    dataset = GoProDataset(numbered(tmp_path, range(1, 13)), pipeline=LOAD)
    for index in range(len(dataset)):
        info = dataset.get_data_info(index)
        stems = [os.path.basename(path)[:-4] for path in info['img_path']]
        assert stems == [f'frame_{number}' for number in range(index + 1, index + 6)]


@pytest.mark.parametrize('name, words', [
    ('frame_{}', 'jump from frame_4 to frame_7 (missing: 5, 6)'),
    ('v1_{:05}', 'jump from v1_00004 to v1_00007 (missing: 00005, 00006)'),
    ('{}', 'jump from 4 to 7 (missing: 5, 6)')])
def test_gaps_are_found_whatever_the_names(tmp_path, name, words):
    with pytest.raises(ValueError) as error:
        GoProDataset(numbered(tmp_path, [1, 2, 3, 4, 7, 8, 9], name))
    assert words in str(error.value)


def test_a_gap_of_astronomical_size(tmp_path):
    with pytest.raises(ValueError, match='and [0-9]{20,} more'):
        GoProDataset(numbered(tmp_path, [1, 2, 3, 4, 5, 10**30]))


def test_links_that_lead_nowhere(make_dataset):
    root = make_dataset(train={'a': 5, 'b': 5})
    (root / 'train/c').symlink_to(root / 'away')
    with pytest.raises(ValueError, match='train/c: a link to .*away, which does not exist'):
        GoProDataset(root)
    (root / 'train/c').unlink()
    shutil.rmtree(root / 'train/b/sharp')
    (root / 'train/b/sharp').symlink_to('nowhere')
    with pytest.raises(ValueError, match='b/sharp: a link to nowhere'):
        GoProDataset(root)
    shutil.rmtree(root / 'train/b')
    picture = root / 'train/a/blur/000002.png'
    picture.unlink()
    picture.symlink_to('gone.png')
    with pytest.raises(ValueError, match='000002.png: missing'):
        GoProDataset(root)


@pytest.mark.parametrize('layout, folder', [('gopro', 'test/a'), ('repacked', 'test')])
def test_sharp_frames_under_another_name_are_not_taken_for_none(make_dataset, layout, folder):
    root = make_dataset(layout, test={'a': 5})
    sharp = {'gopro': 'sharp', 'repacked': 'gt'}[layout]
    (root / folder / sharp).rename(root / folder / 'reference')
    with pytest.raises(ValueError, match='no sharp frames found .*, but reference; rename'):
        GoProDataset(root, split='test', test_mode=True)


def test_two_kinds_of_sharp_frames_are_not_told_apart(make_dataset):
    root = make_dataset(test={'a': 5}, kinds=['blur', 'sharp', 'gt'])
    with pytest.raises(ValueError, match='has gt and sharp, which cannot be told apart'):
        GoProDataset(root, split='test', test_mode=True)


def test_blur_gamma_on_demand(make_dataset, warnings_logged):
    root = make_dataset(test={'a': 5}, kinds=['blur_gamma', 'blur', 'sharp'])
    dataset = GoProDataset(root, split='test', test_mode=True, blur_gamma=True)
    assert '/blur_gamma/' in dataset.get_data_info(0)['img_path'][0]
    assert 'scores cannot be compared with published ones' in warnings_logged[0]
    with pytest.raises(ValueError, match='blur_gamma=True needs test/<video>/blur_gamma/'):
        GoProDataset(make_dataset('repacked', root=root.parent / 'other', test={'a': 5}),
                     split='test', test_mode=True, blur_gamma=True)


# ------------------------------------------------------------ short and mixed

@pytest.mark.parametrize('length', [1, 2, 3])
def test_short_videos_under_all_frames(make_dataset, length):
    root = make_dataset(test={'a': length})
    args = dict(split='test', test_mode=True, skip_ends=0, pipeline=LOAD)
    windows = GoProDataset(root, **args)
    assert len(windows) == length and len(windows[0]['img']) == 5
    whole = GoProDataset(root, mode='video', **args)
    assert len(whole) == 1 and whole[0]['scored_frames'] == list(range(length))
    with pytest.raises(ValueError, match=r'fewer than 5 frames: a: .* or lower skip_ends'):
        GoProDataset(root, split='test', test_mode=True)
    with pytest.raises(ValueError, match='fewer than num_frames=5 frames'):
        GoProDataset(make_dataset(root=root, train={'a': length}))


def test_batches_of_one_size(make_dataset):
    sizes = {'a': (48, 64), 'b': (64, 48), 'c': (64, 48)}
    root = make_dataset(test={'a': 8, 'b': 7, 'c': 5}, size=sizes)
    dataset = GoProDataset(root, split='test', test_mode=True, pipeline=[
        *LOAD, dict(type='PackInputs', meta_keys=['key'])])
    loader = RestorationRunner.build_dataloader(dict(
        dataset=dataset, batch_size=3, sampler=dict(type='VideoRunSampler'),
        batch_sampler=dict(type='SameSizeBatchSampler'), num_workers=0, persistent_workers=True))
    batches = [[sample.key[0] for sample in batch['data_samples']] for batch in loader]
    assert batches == [['a'] * 3, ['a'], ['b'] * 3, ['c']]
    assert len(loader) == 4
    assert all(len({tuple(clip.shape) for clip in batch['inputs']}) == 1 for batch in loader)

