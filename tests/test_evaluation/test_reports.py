"""Scoring foreign frames, drawing reports, configuring tests."""

from __future__ import annotations

import importlib.util
import json
import shutil

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from video_data import frame

from cdvd_mm.data_tools.prepare import prepare
from cdvd_mm.datasets import GoProDataset
from cdvd_mm.evaluation import PROTOCOLS, score_frame
from cdvd_mm.evaluation.configure import configure_test
from cdvd_mm.evaluation.evaluate_frames import evaluate_frames
from cdvd_mm.evaluation.protocols import dataset_args
from cdvd_mm.reports.plots import plot_results


def load_tool(path):
    spec = importlib.util.spec_from_file_location(path.stem + '_tool', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def folders(make_dataset, tmp_path):
    """A dataset, and its blurred frames as if a program had 'restored' them."""
    root = make_dataset(test={'a': 5, 'b ö': 9})
    pred = tmp_path / 'pred'
    for video in ('a', 'b ö'):
        shutil.copytree(root / 'test' / video / 'blur', pred / video)
    return root, pred


@pytest.mark.parametrize('name', list(PROTOCOLS))
def test_evaluate_frames(folders, tmp_path, name):
    root, pred = folders
    protocol = PROTOCOLS[name]
    expected = [score_frame(frame(v, i + 1, 'blur'), frame(v, i + 1, 'sharp'), protocol)['PSNR']
                for v, n in (('a', 5), ('b ö', 9)) for i in protocol.frames(n)]
    out = tmp_path / 'out'
    summary = evaluate_frames(str(pred), str(root), name, out_dir=str(out))
    assert summary['overall']['PSNR'] == pytest.approx(np.mean(expected), abs=1e-12)
    assert summary['num_frames'] == len(expected)
    report = json.loads((out / 'results.json').read_text())
    assert report['protocol']['name'] == name and report['info']['restored_frames'] == str(pred)
    # the sharp frames as plain folders, or in a store, say the same
    plain = tmp_path / 'plain'
    for video in ('a', 'b ö'):
        shutil.copytree(root / 'test' / video / 'sharp', plain / video)
    store = tmp_path / 'store'
    prepare('GOPRO', str(root), store=str(store))
    for gt in (plain, store):
        assert evaluate_frames(str(pred), str(gt), name)['overall'] == summary['overall']


def test_frames_of_one_video(folders):
    root, pred = folders
    summary = evaluate_frames(str(pred / 'a'), str(root / 'test/a/sharp'), 'all-frames')
    assert list(summary['videos']) == ['a'] and summary['num_frames'] == 5


def test_what_can_be_wrong_with_foreign_frames(folders, repo_root, capsys, tmp_path):
    root, pred = folders
    tool = load_tool(repo_root / 'tools' / 'analysis_tools' / 'evaluate_frames.py')
    for name in ('a/000001.png', 'b ö/000003.png', 'b ö/000004.png'):
        (pred / name).unlink()
    assert tool.main([str(pred), str(root)]) == 1
    message = capsys.readouterr().err
    assert '2 restored frame(s)' in message  # a/000001 is not scored by this protocol
    assert 'b ö/000003.png' in message and 'b ö/000004.png' in message
    (pred / 'b ö/000003.png').write_bytes(b'')
    cv2.imwrite(str(pred / 'b ö/000004.png'), np.zeros((24, 24, 3), np.uint8))
    assert tool.main([str(pred), str(root)]) == 1
    message = capsys.readouterr().err
    assert '2 frame(s) cannot be scored' in message and 'the file is empty' in message
    assert '24x24, the sharp one 64x48' in message
    assert tool.main([str(pred / 'nowhere'), str(root)]) == 1
    assert tool.main([str(pred), str(root), '--protocol', 'paper']) == 1
    assert "unknown protocol 'paper'" in capsys.readouterr().err
    assert tool.main([str(pred / 'a'), str(root / 'test/a/sharp'), '--out',
                      str(tmp_path / 'out')]) == 0
    assert 'protocol cdvd-tsp, mean over 1 frames: PSNR' in capsys.readouterr().out


def test_plots(folders, tmp_path):
    root, pred = folders
    out = tmp_path / 'out'
    evaluate_frames(str(pred), str(root), 'all-frames', out_dir=str(out))
    pictures = plot_results([str(out), str(out / 'results.json')], str(tmp_path / 'plots'),
                            worst=2, labels=['one', 'two'])
    assert [p.rsplit('/', 1)[1] for p in pictures] == ['psnr_over_time.png', 'worst_frames.png']
    for picture in pictures:
        assert cv2.imread(picture).std() > 5
    shutil.rmtree(pred)
    shutil.rmtree(root)
    assert len(plot_results([str(out)], str(tmp_path / 'plots'), 'SSIM')) == 1


def test_what_cannot_be_plotted(folders, tmp_path):
    root, pred = folders
    for name in ('all-frames', 'cdvd-tsp'):
        evaluate_frames(str(pred), str(root), name, out_dir=str(tmp_path / name))
    with pytest.raises(ValueError, match='different protocols'):
        plot_results([str(tmp_path / 'all-frames'), str(tmp_path / 'cdvd-tsp')], str(tmp_path))
    with pytest.raises(ValueError, match='has no LPIPS'):
        plot_results([str(tmp_path / 'all-frames')], str(tmp_path), 'LPIPS')
    with pytest.raises(FileNotFoundError, match='no report'):
        plot_results([str(tmp_path)], str(tmp_path))
    (tmp_path / 'results.json').write_text('[]')
    with pytest.raises(ValueError, match='is no report'):
        plot_results([str(tmp_path)], str(tmp_path))


@pytest.fixture
def cfg(repo_root):
    cfg = Config.fromfile(repo_root / 'configs' / 'cdvd_gopro.py')
    cfg.work_dir = 'work_dirs/x'
    return cfg


def test_configure_test(cfg, tmp_path):
    weights = tmp_path / 'weights.bin'
    weights.write_bytes(b'123')
    configure_test(cfg, ['all-frames'], str(tmp_path / 'frames'), True, str(weights))
    metric = cfg.test_evaluator.metrics[0]
    assert cfg.test_dataloader.dataset.skip_ends == 0
    assert metric.protocol == 'all-frames' and metric.resume
    assert metric.out_dir == 'work_dirs/x/results_all-frames'
    assert metric.run_info.config == 'cdvd_gopro.py'
    assert metric.run_info.checkpoint_sha256.startswith('a665a45920')
    configure_test(cfg, ['dvd-30'])
    assert cfg.test_dataloader.dataset.sample_frames == 30
    with pytest.raises(ValueError, match='unknown protocol'):
        configure_test(cfg, ['dvd30'])
    cfg.test_evaluator = dict(type='Evaluator', metrics=[dict(type='PSNR')])
    configure_test(cfg)
    with pytest.raises(ValueError, match='need a VideoDeblurMetric'):
        configure_test(cfg, ['cdvd-tsp'])


def test_several_protocols_at_once(cfg, tmp_path):
    configure_test(cfg, ['dvd-30', 'dstnet'], str(tmp_path / 'frames'))
    first, second = cfg.test_evaluator.metrics
    assert (first.protocol, second.protocol) == ('dvd-30', 'dstnet')
    assert (first.prefix, second.prefix) == ('dvd-30', 'dstnet')
    assert first.out_dir == 'work_dirs/x/results_dvd-30'
    assert second.out_dir == 'work_dirs/x/results_dstnet'
    assert first.save_frames == str(tmp_path / 'frames') and not second.get('save_frames')
    # what either of them scores
    assert cfg.test_dataloader.dataset.skip_ends == 0
    assert cfg.test_dataloader.dataset.sample_frames is None
    with pytest.raises(ValueError, match='asked for once, found dstnet dstnet'):
        configure_test(cfg, ['dstnet', 'dstnet'])


def test_several_protocols_of_a_bare_metric_with_a_folder(cfg):
    cfg.test_evaluator = dict(type='VideoDeblurMetric', out_dir='out', prefix='x')
    configure_test(cfg, ['cdvd-tsp', 'dstnet'])
    assert [metric.out_dir for metric in cfg.test_evaluator.metrics] == ['out/cdvd-tsp',
                                                                         'out/dstnet']
    assert [metric.prefix for metric in cfg.test_evaluator.metrics] == ['x/cdvd-tsp', 'x/dstnet']


@pytest.mark.parametrize('size, protocol, fits', [
    ((28, 40), 'cdvd-tsp', True), ((31, 42), 'cdvd-tsp', True), ((28, 42), 'cdvd-tsp', False),
    ((28, 40), 'all-frames', False)])
def test_frames_cut_to_a_multiple_of_4(size, protocol, fits, tmp_path):
    """The authors' program writes frames of 42x31 as 40x28; the protocol scores no more of them."""
    rng = np.random.default_rng(0)
    for index in range(5):
        sharp = rng.integers(0, 256, (31, 42, 3), dtype=np.uint8)
        blurred = sharp[:size[0], :size[1]] // 2 + 60
        for folder, image in (('sharp', sharp), ('pred', blurred)):
            (tmp_path / folder).mkdir(exist_ok=True)
            cv2.imwrite(str(tmp_path / folder / f'{index}.png'), image)
        if index == 2:  # the only frame that cdvd-tsp scores
            difference = sharp[4:24, 4:36].astype(float) - blurred[4:24, 4:36]
    if not fits:
        with pytest.raises(ValueError, match='the sharp one 42x31'):
            evaluate_frames(str(tmp_path / 'pred'), str(tmp_path / 'sharp'), protocol)
        return
    found = evaluate_frames(str(tmp_path / 'pred'), str(tmp_path / 'sharp'), protocol)
    expected = 10 * np.log10(255**2 / np.square(difference).mean())
    assert found['overall']['PSNR'] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize('name, epoch', [('gopro', 4), ('dvd', 1)])
def test_dataset_configs_are_the_papers(repo_root, make_dataset, name, epoch):
    """Windows of the first 100 frames, four times or once, 256x256; tested by its protocol."""
    cfg = Config.fromfile(repo_root / 'configs' / '_base_' / 'datasets' / f'{name}.py')
    assert cfg.train_dataloader.batch_size == 1
    assert cfg.test_evaluator.metrics[0].protocol == 'cdvd-tsp'
    args = dataset_args([PROTOCOLS['cdvd-tsp']])
    assert cfg.test_dataloader.dataset.skip_ends == args['skip_ends']
    from cdvd_mm.registry import DATASETS
    root = make_dataset('repacked', train={'v': 103}, test={'w': 6}, size=(256, 260),
                        kinds=['blur', 'gt'])
    train = DATASETS.build(dict(cfg.train_dataloader.dataset, data_root=str(root)))
    assert len(train) == epoch * 96
    sample = train[5]
    assert sample['inputs'].shape == sample['data_samples'].gt_img.shape == (5, 3, 256, 256)
    test = DATASETS.build(dict(cfg.test_dataloader.dataset, data_root=str(root)))
    assert len(test) == 2 and test[1]['data_samples'].gt_img.shape == (3, 256, 260)
    assert isinstance(test, GoProDataset) == (name == 'gopro')
