"""The parents are looked at on import: unfit ones warned of, missing ones explained."""

import os
import subprocess
import sys
import warnings
from importlib import metadata

import pytest

from cdvd_mm.compat import versions


def test_installed_parents_fit():
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        versions.check_parents()


def test_another_version_is_warned_of(monkeypatch):
    def version(name):
        if name != 'mmengine':
            raise metadata.PackageNotFoundError(name)
        return '1.3.0'

    monkeypatch.setattr(metadata, 'version', version)
    with pytest.warns(UserWarning, match='needs mmengine 0.10.7.*1.3.0.*cdvd-mm install') as caught:
        versions.check_parents()
    assert len(caught) == 1


@pytest.mark.parametrize('module', ['registry', 'models', 'engine.launch', 'datasets'])
def test_missing_parents_are_explained_once(module, repo_root):
    """Without site-packages: one message, which names nothing that a wheel lacks."""
    done = subprocess.run([sys.executable, '-S', '-c', f'import cdvd_mm.{module}'], cwd=repo_root,
                          capture_output=True, text=True, env=dict(os.environ, PYTHONPATH=''))
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith('cdvd_mm.compat.versions.MissingParentError: cdvd_mm needs PyTorch')
    assert 'MMagic' in last and 'cdvd-mm install' in last and '.sh' not in last
    assert done.stderr.count('cdvd_mm needs') == 1


def test_the_command_says_it_in_one_line(repo_root):
    done = subprocess.run([sys.executable, '-S', '-m', 'cdvd_mm', 'train', 'a.py'], cwd=repo_root,
                          capture_output=True, text=True, env=dict(os.environ, PYTHONPATH=''))
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert 'cdvd-mm install' in done.stderr


def test_other_missing_modules_are_told_as_ever():
    error = ModuleNotFoundError("No module named 'av'", name='av')
    versions.explain_missing(error)
