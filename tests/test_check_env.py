"""The environment check: works without the packages, names what is wrong and what to do."""

import io
import os
import re
import runpy
import subprocess
import sys
from importlib import metadata

import pytest

from cdvd_mm import check_env
from cdvd_mm.check_env import OK, REQUIREMENTS, WARNING, WRONG, Report, Requirement, Row


def versions(**found):
    def version_of(name):
        if name.replace('-', '_') not in found:
            raise metadata.PackageNotFoundError(name)
        return found[name.replace('-', '_')]
    return version_of


def requirement(name):
    return next(entry for entry in REQUIREMENTS if entry.name == name)


@pytest.mark.parametrize('version, numbers', [
    ('2.11.0+cpu', (2, 11)), ('2.1', (2, 1)), ('1.0.0rc0', (1,)), ('5.0.0.93', (5, 0, 0, 93)),
    ('unknown', ())])
def test_release(version, numbers):
    assert check_env.release(version) == numbers


@pytest.mark.parametrize('version, status', [
    ((3, 9, 18), WRONG), ((3, 10, 0), OK), ((3, 12, 9), OK), ((3, 13, 0), WRONG)])
def test_python(version, status):
    assert check_env.check_python(version).status == status


@pytest.mark.parametrize('name, found, status, words', [
    ('PyTorch', dict(torch='2.11.0+cpu'), OK, ''),
    ('PyTorch', dict(torch='2.15.0'), WARNING, 'untested'),
    ('PyTorch', dict(torch='2.0.1'), WRONG, 'does not fit'),
    ('PyTorch', {}, WRONG, 'tools/install.sh'),
    ('mmcv', dict(mmcv_lite='2.0.1'), OK, 'mmcv-lite'),
    ('mmcv', dict(mmcv='2.0.1'), OK, ''),
    ('mmcv', dict(mmcv='2.1.0'), WRONG, 'does not fit'),
    ('mmengine', dict(mmengine='0.10.6'), WRONG, 'does not fit'),
    ('MMFlow', dict(mmflow='1.0.0rc0'), OK, ''),
    ('OpenCV', dict(opencv_python_headless='4.10.0.84'), OK, 'headless'),
    ('setuptools', dict(setuptools='82.0.0'), WRONG, 'does not fit'),
    ('PyAV', {}, WARNING, 'pip install av'),
])
def test_versions(name, found, status, words):
    row = check_env.check_package(requirement(name), quick=True, version_of=versions(**found))
    assert row.status == status
    assert words in row.note


def test_a_package_that_does_not_import():
    broken = Requirement('broken', 'no_such_module_at_all', ('broken',))
    row = check_env.check_package(broken, version_of=versions(broken='1.0'))
    assert row.status == WRONG
    assert 'does not import: ModuleNotFoundError' in row.note


def test_a_torchvision_for_another_pytorch(monkeypatch):
    monkeypatch.setattr(metadata, 'version', lambda name: dict(torch='2.11.0+cpu',
                                                               torchvision='0.25.0')[name])
    monkeypatch.setattr(metadata, 'requires', lambda name: ['numpy', 'torch==2.10.0'])
    assert 'made for PyTorch 2.10.0' in check_env.check_torchvision_fits().note
    monkeypatch.setattr(metadata, 'requires', lambda name: ['numpy', 'torch (==2.11.0)'])
    assert check_env.check_torchvision_fits() is None


def test_everything_here_is_complete():
    report = check_env.check()
    assert report.complete, [row for row in report.packages + report.ops if row.status == WRONG]
    assert {row.name for row in report.ops} >= {'correlation', 'flow_warp', 'mmcv deform_conv'}
    assert report.devices


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
    done = subprocess.run([sys.executable, '-S', '-m', 'cdvd_mm.check_env'], cwd=repo_root,
                          capture_output=True, text=True, env=dict(os.environ, PYTHONPATH=''))
    assert done.returncode == 1, done.stderr
    assert 'PyTorch: found missing, expected >= 2.1' in done.stdout
    assert 'Traceback' not in done.stderr


def test_setup_and_check_agree(repo_root, monkeypatch):
    """Whatever setup.py asks for is looked at by the check."""
    found = {}
    monkeypatch.setattr('setuptools.setup', lambda **kwargs: found.update(kwargs))
    runpy.run_path(str(repo_root / 'setup.py'))
    wanted = found['install_requires'] + found['extras_require']['all']
    names = {re.match(r'[\w.-]+', entry)[0] for entry in wanted}
    assert names <= {name for entry in REQUIREMENTS for name in entry.distributions}
