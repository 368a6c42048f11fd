"""tools/test.py by protocol, with saved frames, and gone on with."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from cdvd_mm.evaluation.evaluate_frames import evaluate_frames


@pytest.fixture
def tool(repo_root):
    spec = importlib.util.spec_from_file_location('test_tool', repo_root / 'tools' / 'test.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def run(tool, repo_root, tmp_path, capsys):
    """Run tools/test.py on a small network; returns exit code and output."""
    from cdvd_mm.registry import MODELS
    config = repo_root / 'configs' / 'cdvd_gopro.py'
    small = {'mid_channels': 4, 'num_blocks': 1, 'flow_estimator': None}
    cfg = Config.fromfile(config)
    cfg.model.generator.update(small)
    init_default_scope('cdvd_mm')
    checkpoint = tmp_path / 'weights.pth'
    torch.save(dict(state_dict=MODELS.build(cfg.model).state_dict(), meta={}), checkpoint)

    def run(root, *arguments):
        options = [f'model.generator.{k}={v}' for k, v in small.items()]
        options += [f'test_dataloader.dataset.data_root={root}', 'test_dataloader.num_workers=0',
                    'test_dataloader.persistent_workers=False']
        capsys.readouterr()
        code = tool.main([str(config), str(checkpoint), '--work-dir', str(tmp_path / 'work'),
                          *arguments, '--cfg-options', *options])
        return code, capsys.readouterr()

    return run


def psnr(output) -> float:
    return float(re.search(r'^PSNR: (\d+\.\d+)$', output.out, re.M)[1])


def test_protocols_frames_and_resume(run, make_dataset, tmp_path):
    root = make_dataset(test={'a b': 5, 'ö': 7}, train={})
    frames = tmp_path / 'frames'
    code, output = run(root, '--protocol', 'all-frames', '--save-frames', str(frames))
    assert code == 0
    out = tmp_path / 'work' / 'results_all-frames'
    report = json.loads((out / 'results.json').read_text())
    assert report['complete'] and report['num_frames'] == 12
    assert report['overall']['PSNR'] == psnr(output)
    # what was saved, scored on its own
    assert evaluate_frames(str(frames), str(root), 'all-frames')['overall'] == report['overall']

    # half of the scores are left by a test that was killed
    lines = [dict(signature=dict(protocol='all-frames', amp=False, checkpoint_sha256=report[
        'info']['checkpoint_sha256'])), *report['frames'][:5]]
    (out / 'results.json').unlink()
    (out / 'frames.rank0.part.jsonl').write_text('\n'.join(map(json.dumps, lines)))
    code, again = run(root, '--protocol', 'all-frames', '--resume')
    assert code == 0 and psnr(again) == psnr(output)
    assert '5 frames were scored before' in again.out + again.err

    shutil.rmtree(root / 'test/a b/sharp')
    shutil.rmtree(root / 'test/ö/sharp')
    code, output = run(root)
    assert code == 0 and 'no metric is claimed' in output.out
    saved = sorted((tmp_path / 'work/results_cdvd-tsp/frames').glob('*/*.png'))
    assert len(saved) == 4


def test_several_protocols_in_one_run(run, make_dataset, tmp_path):
    """Every one says what it says alone, and the frames were restored once."""
    root = make_dataset(test={'a': 6}, train={})
    frames = tmp_path / 'frames'
    code, output = run(root, '--protocol', 'cdvd-tsp', 'dstnet', 'bsd', '--save-frames',
                       str(frames))
    assert code == 0 and len(list(frames.rglob('*.png'))) == 6
    for name, number in (('cdvd-tsp', 2), ('dstnet', 6), ('bsd', 6)):
        report = json.loads(
            (tmp_path / 'work' / f'results_{name}' / 'results.json').read_text())
        assert report['num_frames'] == number and report['complete']
        for metric in ('PSNR', 'SSIM'):
            assert f'{name}/{metric}: {report["overall"][metric]}\n' in output.out
        if name != 'bsd':  # the saved frames are rounded, not truncated
            assert evaluate_frames(str(frames), str(root), name)['overall'] == report['overall']
    code, again = run(root, '--protocol', 'dstnet', 'bsd', '--resume')
    assert code == 0 and '6 frames were scored before' in again.out + again.err
    assert re.findall(r'^dstnet/.*$', again.out, re.M) == re.findall(r'^dstnet/.*$', output.out,
                                                                     re.M)


def test_user_errors(run, make_dataset):
    root = make_dataset(test={'a': 5}, train={})
    code, output = run(root, '--protocol', 'paper')
    assert code == 1 and "unknown protocol 'paper'" in output.err
    (root / 'test/a/blur/000003.png').write_bytes(b'')
    code, output = run(root)
    assert code == 1 and '000003.png: the file is empty' in output.err
    assert 'Traceback' not in output.err
