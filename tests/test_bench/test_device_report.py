"""The report on a device: every part on tiny sizes, and what becomes of those that fail."""

import dataclasses
import json

import pytest

from cdvd_mm import cli
from cdvd_mm.bench.device_report import checks, speed, training
from cdvd_mm.bench.device_report.docs import update_page, write_docs
from cdvd_mm.bench.device_report.parts import PARTS
from cdvd_mm.bench.device_report.run import make_report, make_settings, run_part
from cdvd_mm.bench.device_report.settings import Table
from cdvd_mm.bench.options import BenchmarkOptions, DeviceReportOptions


@pytest.fixture
def settings(tmp_path, repo_root):
    """Of a network of a second, on 32x32 pixels."""
    return make_settings(
        BenchmarkOptions(config=str(repo_root / 'configs/cdvd_demo.py'), device='cpu',
                         sizes=((32, 32), ), cfg_options={'model.generator.mid_channels': 4}),
        DeviceReportOptions(out=str(tmp_path), patch=32))


def only(tables):
    table, = tables
    assert not table.wrong and table.lines
    json.dumps(table)  # it goes from process to process
    return table


def test_parts_can_be_found():
    assert all(callable(part.load()) for part in PARTS.values())


def test_tests(settings, tmp_path):
    """What pytest says of four tests, each with its own end."""
    folder = tmp_path / 'tests'
    folder.mkdir()
    (folder / 'test_it.py').write_text(
        'import pytest\n'
        'def test_right_cpu(): pass\n'
        'def test_wrong_cpu(): assert 1 == 2, "one is not two"\n'
        'def test_left_out_cpu(): pytest.skip("no")\n'
        'def test_another(): assert False\n')
    table, = checks.run_tests(dataclasses.replace(settings, tests='cpu'), folder)
    assert table.figures['passed'] == table.figures['failed'] == table.figures['skipped'] == 1
    assert table.wrong == '1 tests failed' and '* test_wrong_cpu: ' in table.lines[-1]
    table, = checks.run_tests(settings, tmp_path / 'nowhere')
    assert table.wrong


def test_precisions(settings):
    table = only(checks.compare_precisions(settings))
    assert [row[0] for row in table.figures] == settings.precisions
    # blurred by nine pixels: restored or not, it is no other picture
    assert all(15 < float(row[2]) < 60 for row in table.figures)
    assert all(float(row[1]) > 50 for row in table.figures[1:])


def test_inference_and_profile(settings):
    table = only(speed.time_inference(dataclasses.replace(settings, seconds=1.)))
    assert {row['precision'] for row in table.figures['cases']} == set(settings.precisions)
    rows = only(speed.profile_fastest(settings)).figures
    assert any('convolution' in row['name'] for row in rows)
    shares = [row['share'] for row in rows]
    assert shares == sorted(shares, reverse=True)
    assert 0 < shares[-1] and sum(shares) <= 1 + 1e-9


def test_files(settings):
    for row in only(speed.time_files(settings)).figures:
        shares = [float(share.split()[0]) for share in row[3:]]
        assert float(row[2]) > 0 and all(0 <= share <= 101 for share in shares)
        assert shares[1] > 0 and shares[2] + shares[3] <= 101  # one thread


def test_training_steps(settings):
    steps, samples = training.time_steps(dataclasses.replace(settings, seconds=2.))
    assert steps.figures['cases']['plain']['parts']['data'] >= 0
    assert [row['form'] for row in samples.figures] == ['files', 'store (raw)']
    assert not samples.wrong


def test_training_that_is_resumed(settings):
    figures = only(training.train_twice(settings)).figures
    assert figures['identical'] and len(figures['losses']) == 16


def test_parts_that_fail_and_parts_that_do_not(tmp_path, repo_root, capsys, monkeypatch):
    """A network that is no cascade cannot be profiled; the kernels do not mind."""
    pages = tmp_path / 'pages'
    pages.mkdir()
    for name in ('benchmark.md', 'training.md'):
        (pages / name).write_text('# Page\n')
    command = ['benchmark', str(repo_root / 'configs/stfan/stfan_demo.py'), '--gpu-report',
               '--device', 'cpu', '--minutes', '10', '--sizes', '32x32', '--out',
               str(tmp_path / 'out'), '--device-name', 'A | machine', '--parts', 'profile']
    (pages / 'benchmark.md').write_text(
        '# Page\n\n<!-- measured: kernels -->\n<!-- end of measured -->\nThe end.\n')
    assert cli.main([*command, 'kernels', '--write-docs', str(pages)]) == 1
    report = json.loads((tmp_path / 'out/report.json').read_text())
    profile, kernels = report['parts']
    assert 'STFANNet is no cascade' in profile['failure'] and not kernels['failure']
    assert not kernels['tables'][0]['wrong']
    text = (tmp_path / 'out/report.md').read_text()
    assert '| correlation, 7x5, fp32 |' in text and 'STFANNet is no cascade' in text
    page = (pages / 'benchmark.md').read_text()
    assert '| correlation, 7x5, fp32 |' in page and page.endswith('The end.\n')
    assert cli.main([*command, 'magic']) == 1
    assert 'unknown part(s) magic: expected tests, kernels' in capsys.readouterr().err


def test_a_part_that_takes_too_long(settings):
    outcome = run_part('kernels', dataclasses.replace(settings, seconds=.1))
    assert outcome.failure == 'cut off after 0 s' and not outcome.tables


def test_one_table_for_each_device(tmp_path):
    page = 'Text.\n<!-- measured: speed -->\n<!-- end of measured -->\nMore.\n'
    first = dict(speed=[Table('Speed', ['| 1 |'], place='speed')])
    second = dict(speed=[Table('Speed', ['| 2 |'], place='speed')], other=[])
    once = update_page(page, 'one', first, 'Busy.')
    assert once.count('| 1 |') == 1 and '**one.** Busy.' in once
    twice = update_page(update_page(once, 'two', second, ''), 'one', second, '')
    assert twice.count('| 2 |') == 2 and '| 1 |' not in twice
    assert twice.index('**one.**') < twice.index('**two.**')
    assert twice.startswith('Text.\n') and twice.endswith('More.\n')
    for name in ('benchmark.md', 'training.md'):
        (tmp_path / name).write_text(page)
    with pytest.raises(ValueError, match='no page has a place for memory'):
        write_docs(tmp_path, 'one', [Table('', [], place='memory')], '')


def test_refusals(tmp_path):
    with pytest.raises(ValueError, match='minutes must be positive, found 0'):
        DeviceReportOptions(minutes=0)
    with pytest.raises(ValueError, match='cuda'):
        make_report(BenchmarkOptions(device='cuda:99'),
                    DeviceReportOptions(out=str(tmp_path / 'out')), print)
    assert not (tmp_path / 'out').exists()
