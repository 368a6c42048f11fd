import json
from pathlib import Path

import pytest
import torch

from cdvd_mm import cli
from cdvd_mm.bench.inference import Case, benchmark, run_benchmark, to_markdown
from cdvd_mm.bench.options import BenchmarkOptions, parse_size
from cdvd_mm.models.backbones.cdvd_net import CDVDNet
from cdvd_mm.ops import backends


def test_report():
    net = CDVDNet(mid_channels=4, num_blocks=1, flow_estimator=None)
    cases = [Case('plain', 32, 48, 'fp32'), Case('streaming', 32, 48, 'fp32'),
             Case('streaming', 32, 48, 'bf16')]
    report = run_benchmark(net, cases, torch.device('cpu'), rounds=2)
    plain, streaming, half = report['cases']
    assert plain['macs'] == 2 * streaming['macs'] == 2 * half['macs'] > 0
    assert len(plain['seconds']) == 2 and plain['median'] > 0 and streaming['share_of_peak'] > 0
    assert set(report['peaks']) == {'fp32', 'bf16', 'copy'} and len(report['ratios']) == 2
    table = to_markdown(report)
    assert 'thread' in table and '| streaming | 48x32 | bf16 |' in table
    assert isinstance(net.reconstruction.in_block[0][0].weight, torch.nn.Parameter)


def test_command(tmp_path, capsys, repo_root):
    paths = [str(tmp_path / name) for name in ('a.json', 'a.md')]
    assert cli.main(['benchmark', str(repo_root / 'configs/cdvd_demo.py'), '--sizes', '32x16',
                     '--rounds', '1', '--json', paths[0], '--markdown', paths[1]]) == 0
    table = capsys.readouterr().out
    assert '| plain | 32x16 | fp32 |' in table and Path(paths[1]).read_text() == table
    assert len(json.loads(Path(paths[0]).read_text())['cases']) == 2
    stfan = str(repo_root / 'configs/stfan/stfan_demo.py')
    with pytest.raises(ValueError, match='STFANNet is no cascade'):
        benchmark(BenchmarkOptions(config=stfan, device='cpu'))


def test_arithmetic_with_flow():
    """One stage: the same flows and restorations, a quarter of the pyramids."""
    from cdvd_mm.bench.inference import _count
    net = CDVDNet(3, 1, mid_channels=4, num_blocks=1)
    frames = list(torch.rand(3, 1, 3, 64, 64))
    plain, streaming = (_count(net, form, frames) for form in ('plain', 'streaming'))
    assert 1 < plain / streaming < 1.5


def test_preferred_backend():
    with pytest.raises(ValueError, match='choose from'), backends.preferring('cuda'):
        pass
    with backends.preferring('torch'):
        assert backends.run('auto', 'none', lambda x: x + 1, (torch.zeros(1), )) == 1


def test_parse_size():
    assert parse_size('848x480') == (848, 480)
    for text in ('848', '0x4', 'axb'):
        with pytest.raises(ValueError, match='no size'):
            parse_size(text)
