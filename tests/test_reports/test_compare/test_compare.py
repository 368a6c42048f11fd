import csv
import json
import os
import re
import runpy
import subprocess
import sys

import pytest
import torch
from video_data import make_dataset  # noqa: F401

from cdvd_mm.datasets.frames import read_frame
from cdvd_mm.evaluation import get_protocol, score_frame
from cdvd_mm.reports.compare import measure
from cdvd_mm.reports.compare import run as run_module
from cdvd_mm.reports.compare.models import ComparedModel, Entry, parse_entries
from cdvd_mm.reports.compare.report import compare as compare_by_options
from cdvd_mm.reports.compare.run import BLURRED, Comparison
from cdvd_mm.reports.model_zoo import find_published
from cdvd_mm.reports.options import CompareOptions
from cdvd_mm.weights import SHIPPED

PREPROCESSOR = "dict(type='DataPreprocessor', mean=[0., 0., 0.], std=[255., 255., 255.])"
MODELS = {
    'stfan_tiny': ("type='RecurrentRestorer', generator=dict(type='STFANNet', mid_channels=2, "
                   "num_blocks=1, kernel_size=3), pixel_loss=dict(type='MSELoss')"),
    'edvr_tiny': ("type='EDVRDeblur', generator=dict(type='EDVRDeblurNet', mid_channels=4, "
                  "num_frames=5, deform_groups=2, num_blocks_extraction=1, "
                  "num_blocks_reconstruction=1), pixel_loss=dict(type='L1Loss')"),
    'cdvd_tiny': ("type='CascadedRestorer', generator=dict(type='CDVDNet', num_frames=5, "
                  "num_stages=2, mid_channels=2, num_blocks=1, flow_estimator=None, "
                  "predict_residual=True), pixel_loss=dict(type='L1Loss')"),
}


def compare(models: list[str], data: str, protocol: str, out: str, **options) -> Comparison:
    return compare_by_options(CompareOptions(
        models=tuple(models), data=data, protocol=protocol, out=out, **options))


@pytest.fixture
def configs(tmp_path):
    """Paths of the configs of tiny models."""
    paths = {}
    for name, model in MODELS.items():
        path = tmp_path / f'{name}.py'
        path.write_text(f"default_scope = 'cdvd_mm'\n"
                        f'model = dict({model}, data_preprocessor={PREPROCESSOR})\n')
        paths[name] = str(path)
    return paths


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """Count multiply-adds on small frames."""
    monkeypatch.setattr(run_module, 'measure_macs', lambda model: measure.measure_macs(model, 16))


def test_report_is_complete(configs, make_dataset, tmp_path):  # noqa: F811
    """Sizes that no network takes as they are: padded and cropped back."""
    data = make_dataset(size=(37, 50), test={'a': 6, 'b': 5})
    out = tmp_path / 'out'
    comparison = compare([*configs.values()], str(data), 'all-frames', str(out), repeats=1)
    labels = [outcome.label for outcome in comparison.outcomes]
    assert labels == [BLURRED, *MODELS]
    assert not any(outcome.error for outcome in comparison.outcomes)
    assert all(len(outcome.rows) == 11 for outcome in comparison.outcomes)

    report = json.loads((out / 'report.json').read_text())
    assert report['num_frames'] == 11 and report['protocol']['name'] == 'all-frames'
    for model in report['models'][1:]:
        assert model['parameters'] > 0 and model['macs'] > 0 and model['ms_per_frame'] > 0
        assert model['peak_memory'] > 0
        for row in model['frames']:
            assert read_frame(row['path']).shape == (37, 50, 3)
    row = report['models'][2]['frames'][3]
    number = int(row['key'][-6:])
    sharp = read_frame(str(data / 'test' / row['video'] / 'sharp' / f'{number:06d}.png'))
    again = score_frame(read_frame(row['path']), sharp, get_protocol('all-frames'))
    assert row['PSNR'] == pytest.approx(again['PSNR']) and \
        row['SSIM'] == pytest.approx(again['SSIM'])

    page = (out / 'report.html').read_text()
    assert not re.findall(r'(?:src|href)="(?!data:)', page)  # nothing outside of itself
    assert page.count('class="slider"') == 2 and page.count('<svg') == 2
    assert 'sharpness prior of cdvd_tiny' in page and 'aria-label' in page
    text = (out / 'report.md').read_text()
    for picture in re.findall(r'\]\((images/[^)]+)\)', text):
        assert (out / picture).is_file()
    assert [line.split('|')[1].strip() for line in text.splitlines()
            if line.startswith('| ')][1:5] == labels


def test_models_are_checked_before_the_first_one_runs(configs, make_dataset, tmp_path):  # noqa: F811
    other = ComparedModel(Entry('x', configs['edvr_tiny'], None), 'cpu').restorer
    torch.save({'state_dict': other.state_dict()}, tmp_path / 'other.pth')
    data = make_dataset(test={'long': 6, 'short': 4})
    models = [configs['stfan_tiny'], f'{configs["stfan_tiny"]}:{tmp_path / "other.pth"}',
              configs['edvr_tiny'], f'{configs["cdvd_tiny"]}:{tmp_path / "missing.pth"}',
              str(tmp_path / 'none.py')]
    with pytest.raises(ValueError) as problems:
        compare(models, str(data), 'all-frames', str(tmp_path / 'out'), repeats=1)
    text = str(problems.value)
    assert text.startswith('4 of 5 model(s) cannot be compared, nothing was run')
    assert 'stfan_tiny-other: ' in text and 'not a checkpoint of this' in text
    assert 'edvr_tiny: video short has 4 frames, the model restores windows of 5' in text
    assert 'missing.pth' in text and 'none.py' in text
    assert not (tmp_path / 'out').exists()


def test_failures_are_reported_and_the_others_go_on(configs, make_dataset, tmp_path,  # noqa: F811
                                                    monkeypatch):
    def fail_for_edvr(model):
        if model.entry.label == 'edvr':
            raise RuntimeError('out of luck')
        return measure.measure_macs(model, 16)

    monkeypatch.setattr(run_module, 'measure_macs', fail_for_edvr)
    data = make_dataset(test={'a': 5})
    comparison = compare([configs['edvr_tiny'], configs['stfan_tiny']], str(data), 'all-frames',
                         str(tmp_path / 'out'), repeats=1, names=('edvr', 'STFAN_1'))
    errors = {outcome.label: outcome.error for outcome in comparison.outcomes}
    assert errors == {BLURRED: None, 'edvr': 'RuntimeError: out of luck', 'STFAN_1': None}
    page = (tmp_path / 'out' / 'report.html').read_text()
    assert page.count('failed: ') == 1
    assert 'failed: RuntimeError: out of luck' in (tmp_path / 'out' / 'report.md').read_text()

    # the same means in all tables
    report = json.loads((tmp_path / 'out' / 'report.json').read_text())
    with (tmp_path / 'out' / 'report.csv').open(newline='') as file:
        lines = {line['method']: line for line in csv.DictReader(file)}
    assert [*lines] == [BLURRED, 'edvr', 'STFAN_1'] and lines['edvr']['failed']
    for model in (report['models'][0], report['models'][2]):
        assert float(lines[model['label']]['PSNR']) == pytest.approx(model['scores']['PSNR'], 1e-4)
    latex = (tmp_path / 'out' / 'report.tex').read_text()
    best = max(report['models'][0]['scores']['PSNR'], report['models'][2]['scores']['PSNR'])
    assert f'\\textbf{{{best:.2f}}}' in latex and 'STFAN\\_1 &' in latex and 'edvr' not in latex
    with pytest.raises(ValueError, match='as many different names, found one'):
        compare([*configs.values()], str(data), 'all-frames', str(tmp_path), names=('one', ))


def test_resume(configs, make_dataset, tmp_path, monkeypatch):  # noqa: F811
    data = make_dataset(test={'a': 5})
    arguments = ([configs['edvr_tiny']], str(data), 'all-frames', str(tmp_path / 'out'))
    first = compare(*arguments, repeats=1)
    scores = tmp_path / 'out' / 'models' / 'edvr_tiny' / 'frames.rank0.part.jsonl'
    lines = scores.read_text().strip().splitlines()
    scores.write_text('\n'.join(lines[:4]) + '\n' + lines[4][:20])  # killed while writing
    restored = []
    original = ComparedModel.restore_video

    def restore_video(self, frames, wanted, truncate):
        restored.extend(wanted)
        return original(self, frames, wanted, truncate)

    monkeypatch.setattr(ComparedModel, 'restore_video', restore_video)
    again = compare(*arguments, repeats=1, resume=True)
    assert len(restored) == 2
    assert again.outcomes[1].rows == first.outcomes[1].rows
    assert again.outcomes[1].info == first.outcomes[1].info  # not measured again
    # another checkpoint: nothing of the old one counts
    model = ComparedModel(Entry('x', configs['edvr_tiny'], None), 'cpu').restorer
    torch.save({'state_dict': model.state_dict()}, tmp_path / 'new.pth')
    restored.clear()
    compare([f'{configs["edvr_tiny"]}:{tmp_path / "new.pth"}'], *arguments[1:], repeats=1,
            resume=True)
    assert len(restored) == 5


def test_any_network(make_dataset, tmp_path, repo_root):  # noqa: F811
    """One that sees a single frame (no nine channels), and one that restores clips."""
    clips = tmp_path / 'clip_tiny.py'
    clips.write_text("default_scope = 'cdvd_mm'\nmodel = dict(type='ClipRestorer', generator=dict("
                     "type='DSTNetPlus', mid_channels=8, num_filter_blocks=1, num_blocks=1), "
                     f"losses=dict(pixel=dict(type='L1Loss')), data_preprocessor={PREPROCESSOR})\n")
    single = repo_root / 'configs' / 'ablation' / 'single_frame.py'
    data = make_dataset(size=(33, 46), test={'a': 6})
    comparison = compare([str(single), str(clips)], str(data), 'cdvd-tsp', str(tmp_path / 'out'),
                         repeats=1)
    blurred, single_frame, clip = comparison.outcomes
    assert single_frame.error is None and clip.error is None
    # without flow nothing is shared: the plain form takes a triple as the batched one does
    assert single_frame.info['macs'] == single_frame.info['macs_plain'] > 0
    assert 'macs_plain' not in clip.info and clip.info['macs'] > 0
    assert len(single_frame.rows) == len(clip.rows) == 2


def test_whole_video_models_see_their_past(configs):
    model = ComparedModel(Entry('x', configs['stfan_tiny'], None), 'cpu')
    frames = torch.randint(0, 256, (4, 3, 16, 16), dtype=torch.uint8)
    (index, last), = model.restore_video(frames, [3])
    assert index == 3
    expected = model.network(frames[None] / 255)[0, 3]
    expected = expected.detach().mul(255).clamp(0, 255)
    assert (last - expected).abs().max() <= 0.51
    (_, truncated), = model.restore_video(frames, [3], truncate=True)
    assert -1 < (truncated - expected).min() and (truncated - expected).max() <= 0


def test_crops_are_where_the_methods_differ(configs, make_dataset, tmp_path):  # noqa: F811
    from cdvd_mm.datasets.frame_files import write_frame
    from cdvd_mm.reports.compare.pictures import find_crops
    data = make_dataset(size=(64, 64), test={'a': 5})
    comparison = compare([configs['edvr_tiny'], configs['cdvd_tiny']], str(data), 'cdvd-tsp',
                         str(tmp_path / 'out'), repeats=1)
    rows = [outcome.rows[0] for outcome in comparison.outcomes[1:]]
    picture = read_frame(rows[0]['path'])
    write_frame(rows[1]['path'], picture)
    changed = picture.copy()
    changed[40:56, 8:24] = 255
    write_frame(rows[0]['path'], changed)
    crop = find_crops(comparison, count=1, size=16)[0]
    assert abs(crop.box[0] - 40) <= 1 and abs(crop.box[1] - 8) <= 1
    assert list(crop.pictures) == [BLURRED, 'edvr_tiny', 'cdvd_tiny', 'sharp truth']


@pytest.mark.parametrize('texts, labels', [
    (['a/x.py', 'b/y.py:c.pth'], ['x', 'y']),
    (['x.py:one.pth', 'x.py:two.pth', 'x.py'], ['x-one', 'x-two', 'x-untrained']),
    (['x.py:a/one.pth', 'x.py:b/one.pth'], ['x-one', 'x-one#2']),
    (['cdvd_mm::cdvd_demo.py', 'cdvd_mm::cdvd_gopro.py:a/b.pth'], ['cdvd_demo', 'cdvd_gopro']),
])
def test_labels_differ(texts, labels):
    assert [entry.label for entry in parse_entries(texts)] == labels


def test_the_network_that_ships_brings_its_weights(repo_root, monkeypatch):
    monkeypatch.chdir(repo_root)
    named, path, own, other = parse_entries(['cdvd_mm::cdvd_lite.py', 'configs/cdvd_lite.py',
                                         'configs/cdvd_lite.py:own.pth', 'configs/cdvd_demo.py'])
    assert named.checkpoint == path.checkpoint == str(SHIPPED)
    assert own.checkpoint == 'own.pth' and other.checkpoint is None
    assert parse_entries(['cdvd_mm::cdvd_lite.py'])[0].label == 'cdvd_lite'


@pytest.mark.parametrize('config, size', [
    ('cdvd_gopro', 64), ('stfan/stfan_gopro', 64), ('edvr/edvr-deblur-l_gopro', 64),
    ('dstnet_plus/dstnet-plus_gopro', 64), ('dstnet_plus/dstnet-plus-l_gopro', 64),
    ('basicvsr_pp/basicvsr-pp_gopro', 256)])
def test_macs_are_as_published(config, size):
    """Within 1 %, in the way of counting that the metafile names; frames smaller where they may."""
    entry, = parse_entries([f'cdvd_mm::{config}.py'])
    published = find_published(entry.config)
    counted = measure.measure_macs(ComparedModel(entry, 'cpu'), size)['macs_counted']
    counted = counted[published['macs_counting']] * (256 / size)**2
    assert counted == pytest.approx(published['macs'], rel=0.01)


def test_wrong_use(make_dataset, tmp_path, repo_root, configs, monkeypatch,  # noqa: F811
                   capsys):
    tool = str(repo_root / 'tools' / 'compare.py')
    data = make_dataset(test={'a': 4})
    with pytest.raises(ValueError, match='twice'):
        parse_entries(['x.py', 'x.py'])
    with pytest.raises(ValueError, match='unknown protocol'):
        compare([configs['edvr_tiny']], str(data), 'mine', str(tmp_path / 'out'))
    with pytest.raises(ValueError, match='has no frames.*leaves out 2 frames at either end'):
        compare([configs['edvr_tiny']], str(data), 'cdvd-tsp', str(tmp_path / 'out'))
    arguments = [tool, configs['edvr_tiny'], '--data', str(tmp_path / 'nowhere'), '--out', 'out']
    monkeypatch.setattr(sys, 'argv', arguments)
    with pytest.raises(SystemExit) as exit_info:
        runpy.run_path(tool, run_name='__main__')
    assert exit_info.value.code == 1 and 'nowhere' in capsys.readouterr().err


def test_processes_share_out_the_videos(make_dataset, tmp_path, repo_root, configs):  # noqa: F811
    """One of the models fails; no process ends before the report is written."""
    data = make_dataset(test={'a': 5, 'b': 5})
    broken = tmp_path / 'broken.py'  # it builds, and cannot run
    (tmp_path / 'broken_net.py').write_text(
        'from cdvd_mm.models.backbones import EDVRDeblurNet\n'
        'from cdvd_mm.registry import MODELS\n\n\n'
        '@MODELS.register_module()\n'
        'class BrokenNet(EDVRDeblurNet):\n'
        '    def forward(self, *frames):\n'
        "        raise RuntimeError('out of luck')\n")
    broken.write_text(f"_base_ = {configs['edvr_tiny']!r}\n"
                      "custom_imports = dict(imports=['broken_net'])\n"
                      "model = dict(generator=dict(type='BrokenNet'))\n")
    command = [sys.executable, '-m', 'torch.distributed.run', '--nproc_per_node=2',
               '--standalone', str(repo_root / 'tools' / 'compare.py'),
               str(broken), configs['edvr_tiny'], '--data', str(data),
               '--protocol', 'all-frames', '--out', str(tmp_path / 'out'), '--device', 'cpu',
               '--launcher', 'pytorch', '--repeats', '1']
    run = subprocess.run(command, capture_output=True, text=True, timeout=250,
                         env={**os.environ, 'OMP_NUM_THREADS': '1', 'CUDA_VISIBLE_DEVICES': '',
                              'PYTHONPATH': f'{tmp_path}{os.pathsep}{repo_root}'})
    report = json.loads((tmp_path / 'out' / 'report.json').read_text())
    assert 'out of luck' in report['models'][1]['failed'], run.stderr
    rows = report['models'][2]['frames']
    assert len({row['key'] for row in rows}) == len(rows) == 10
    for rank, video in enumerate('ab'):
        path = tmp_path / 'out' / 'models' / 'edvr_tiny' / f'frames.rank{rank}.part.jsonl'
        rows = [json.loads(line) for line in path.read_text().split('\n') if 'key' in line]
        assert {row['video'] for row in rows} == {video}
