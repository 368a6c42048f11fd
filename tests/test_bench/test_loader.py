"""Measuring the loader."""

from __future__ import annotations

import importlib.util
import json

import pytest
from mmengine.config import Config

from cdvd_mm.bench.loader import STAGES, benchmark_loader
from cdvd_mm.data_tools.prepare import prepare


@pytest.fixture
def forms(make_dataset, tmp_path):
    """The same data as files and in both stores."""
    root = make_dataset(train={'a': 8}, size=(96, 128))
    roots = [str(root)]
    for codec in ('raw', 'png'):
        roots.append(str(tmp_path / codec))
        prepare('GOPRO', str(root), store=roots[-1], codec=codec)
    return roots


def test_stages_and_identical_tensors(forms, repo_root):
    cfg = Config.fromfile(repo_root / 'configs/_base_/datasets/gopro.py')
    cfg.train_dataloader.dataset.pipeline[0].crop_size = 64
    reports, same = benchmark_loader(cfg.train_dataloader.dataset, forms, samples=4, workers=1)
    assert same
    assert [r.form for r in reports] == ['files', 'store (raw)', 'store (png)']
    for report in reports:
        assert list(report.stages) == list(STAGES)
        assert all(seconds > 0 for seconds in report.stages.values())
        assert min(report.sequential, report.ceiling, report.loader) > 0


def test_tool(forms, repo_root, tmp_path, capsys):
    path = repo_root / 'tools/analysis_tools/benchmark_loader.py'
    spec = importlib.util.spec_from_file_location('benchmark_loader_tool', path)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    out = tmp_path / 'out.json'
    options = ['--cfg-options', 'train_dataloader.dataset.pipeline.0.crop_size=64']
    assert tool.main([str(repo_root / 'configs/cdvd_gopro.py'), '--data-root', *forms[:2],
                      '--samples', '2', '--workers', '0', '--json', str(out), *options]) == 0
    printed = capsys.readouterr().out
    assert 'identical tensors for one seed: yes' in printed and 'ceiling' in printed
    assert json.loads(out.read_text())['identical'] is True
    assert tool.main([str(repo_root / 'configs/cdvd_gopro.py'), '--data-root',
                      str(tmp_path / 'nowhere')]) == 1
    assert 'does not exist' in capsys.readouterr().err
