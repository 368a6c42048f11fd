"""The environment check: works without the packages, tries what is there, says what to do."""

import io
import os
import subprocess
import sys
from importlib import metadata

import pytest

from cdvd_mm import check_env, trials
from cdvd_mm.check_env import OK, WARNING, WRONG, Report, Row
from cdvd_mm.requirements import Requirement, find


def versions(**found):
    def version_of(name):
        if name.replace('-', '_') not in found:
            raise metadata.PackageNotFoundError(name)
        return found[name.replace('-', '_')]
    return version_of


@pytest.mark.parametrize('version, status', [
    ((3, 9, 18), WRONG), ((3, 10, 0), OK), ((3, 12, 9), OK), ((3, 13, 0), WRONG)])
def test_python(version, status):
    assert check_env.check_python(version).status == status


@pytest.mark.parametrize('name, found, status, words', [
    ('PyTorch', dict(torch='2.11.0+cpu'), OK, ''),
    ('PyTorch', dict(torch='2.15.0'), WARNING, 'untested'),
    ('PyTorch', dict(torch='2.0.1'), WRONG, 'does not fit'),
    ('PyTorch', {}, WRONG, 'cdvd-mm install'),
    ('mmcv', dict(mmcv_lite='2.0.1'), OK, 'mmcv-lite'),
    ('mmcv', dict(mmcv='2.0.1'), OK, ''),
    ('mmcv', dict(mmcv='2.1.0'), WRONG, 'does not fit'),
    ('mmengine', dict(mmengine='0.10.6'), WRONG, 'does not fit'),
    ('MMFlow', dict(mmflow='1.0.0rc0'), OK, ''),
    ('OpenCV', dict(opencv_python_headless='4.10.0.84'), OK, 'headless'),
    ('setuptools', dict(setuptools='82.0.0'), WRONG, 'does not fit'),
    ('setuptools', dict(setuptools='63.0'), WRONG, 'does not fit'),
    ('av', {}, WARNING, "pip install 'av>=17,<19'"),
    ('av', dict(av='19.0.2'), WARNING, 'does not fit'),
    ('lpips', {}, WARNING, 'pip install lpips'),
])
def test_versions(name, found, status, words):
    row = check_env.check_package(find(name), quick=True, version_of=versions(**found))
    assert row.status == status
    assert words in row.note


def test_a_package_that_does_not_import():
    broken = Requirement('broken', 'no_such_module_at_all', ('broken',), 'base')
    row = check_env.check_package(broken, version_of=versions(broken='1.0'))
    assert row.status == WRONG
    assert 'does not import: ModuleNotFoundError' in row.note


@pytest.mark.parametrize('found, words', [
    (dict(torch='2.11.0+cpu', torchvision='0.25.0', numpy='2.4.0'), ['not the one for PyTorch']),
    (dict(torch='2.11.0', torchvision='0.26.1+cu130', numpy='2.4.0'), []),
    (dict(torch='2.1.2', torchvision='0.16.2', numpy='2.2.6'), ['cannot exchange arrays']),
    (dict(torch='2.1.2', torchvision='0.16.2', numpy='1.26.4'), []),
    (dict(torch='2.3.0', torchvision='0.18.0', numpy='2.2.6'), []),
    (dict(torch='2.1.2', numpy='1.26.4'), []),
    (dict(numpy='2.2.6'), []),
])
def test_what_does_not_fit_pytorch(found, words):
    rows = check_env.check_pairs(versions(**found))
    assert [row.status for row in rows] == [WRONG] * len(words)
    assert all(word in row.note for word, row in zip(words, rows))


def test_everything_here_works():
    report = check_env.check()
    assert report.complete, report.wrong
    assert {row.name for row in report.trials} == {trial.name for trial in trials.TRIALS}
    assert report.devices


@pytest.mark.parametrize('breaks, name', [
    ('torch.from_numpy', 'arrays'),
    ('cdvd_mm.ops.correlation', 'correlation'),
    ('mmcv.ops.deform_conv2d', 'mmcv deform_conv'),
    ('mmcv.ops.Correlation', 'mmcv correlation'),
    ('av.open', 'encoding a video'),
])
def test_what_is_broken_is_found(breaks, name, monkeypatch):
    """As PyTorch 2.1 does under NumPy 2: all versions fit, and the thing does not work."""
    def broken(*args, **kwargs):
        raise RuntimeError('Numpy is not available')

    pytest.importorskip('av')
    import mmcv.ops  # noqa: F401
    monkeypatch.setattr(breaks, broken)
    report = check_env.check_trials()[0]
    wrong = [row for row in report if row.status != OK]
    assert [row.name for row in wrong] == [name]
    assert wrong[0].note == 'RuntimeError: Numpy is not available'
    assert wrong[0].status == (WARNING if name == 'encoding a video' else WRONG)


def test_a_wrong_result_is_found(monkeypatch):
    monkeypatch.setattr('cdvd_mm.ops.flow_warp', lambda frames, flow: frames + 0.1)
    assert [row.name for row in check_env.check_trials()[0] if row.status == WRONG] == ['flow_warp']


@pytest.mark.parametrize('with_rich', [True, False])
def test_tables(with_rich, monkeypatch):
    if not with_rich:
        monkeypatch.setitem(sys.modules, 'rich.console', None)
    stream = io.StringIO()
    report = Report((Row('one', '1.0', 'any', OK), Row('two', 'missing', '>= 2', WRONG, 'get two'),
                     Row('three', 'missing', 'any', WARNING, 'get three')))
    check_env.render(report, stream)
    text = stream.getvalue()
    assert not report.complete
    assert 'two: found missing, expected >= 2; get two' in text
    assert 'Optional and not there: three.' in text
    assert 'status' in text


def test_it_runs_where_nothing_is_installed(repo_root):
    """Without site-packages everything is missing: exit code 1, a table, no traceback."""
    done = subprocess.run([sys.executable, '-S', '-m', 'cdvd_mm', 'check-env'], cwd=repo_root,
                          capture_output=True, text=True, env=dict(os.environ, PYTHONPATH=''))
    assert done.returncode == 1, done.stderr
    assert 'PyTorch: found missing, expected >= 2.1' in done.stdout
    assert 'cdvd-mm install' in done.stdout
    assert 'Traceback' not in done.stderr
