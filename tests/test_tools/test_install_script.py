"""tools/install.sh: arguments and refusals. Nothing is installed."""

import os
import subprocess
import sys

import pytest


@pytest.fixture
def install(repo_root):
    def run(*args, **env):
        env = {**os.environ, **env}
        for name in ('CDVD_MM_ACTIVE', 'CDVD_MM_VENV', 'CDVD_MM_EXTRAS', 'PYTHON'):
            env.pop(name, None)
        return subprocess.run(['bash', str(repo_root / 'tools' / 'install.sh'), *args], env=env,
                              capture_output=True, text=True, timeout=60)
    return run


def fake_python(folder, body):
    path = folder / 'python'
    path.write_text(f'#!/bin/sh\n{body}\n')
    path.chmod(0o755)
    return path


def test_help(install):
    done = install('--help')
    assert done.returncode == 0
    assert '--active' in done.stdout


@pytest.mark.parametrize('args, message', [
    (['--no-such-option'], 'unknown option: --no-such-option'),
    (['--torch'], '--torch needs a value'),
    (['--torch', '1.13.1'], '--torch must look like 2.11.0'),
    (['--torch', 'latest'], '--torch must look like 2.11.0'),
    (['--extras', 'video data'], '--extras must look like video,data'),
])
def test_wrong_usage(install, args, message):
    done = install(*args)
    assert done.returncode == 2
    assert message in done.stderr


def test_a_python_that_does_not_fit_is_named(install, tmp_path):
    old = fake_python(tmp_path, 'case "$*" in *--python*) exit 1 ;; *) echo 3.8.18 ;; esac')
    done = install('--venv', str(tmp_path / 'venv'), '--python', str(old))
    assert done.returncode == 1
    assert '3.8.18; Python 3.10, 3.11 or 3.12 is needed' in done.stderr
    assert not (tmp_path / 'venv').exists()


def test_a_broken_environment_is_refused(install, tmp_path):
    (tmp_path / 'venv').mkdir()
    done = install('--venv', str(tmp_path / 'venv'))
    assert done.returncode == 1
    assert 'Remove the folder, or name another with --venv' in done.stderr


def test_the_options_reach_the_installation(install, tmp_path):
    """An environment whose Python tells what it is asked to do, and fails at it."""
    (tmp_path / 'venv' / 'bin').mkdir(parents=True)
    fake_python(tmp_path / 'venv' / 'bin', f"""case "$*" in
        *"cdvd_mm install"*) echo "asked: $*" >&2; exit 3 ;;
        *) exec {sys.executable} "$@" ;;
    esac""")
    done = install('--venv', str(tmp_path / 'venv'), '--force', '--torch', '2.6.0', '--extras',
                   'video,data', '--torch-index', 'https://here')
    assert done.returncode == 3
    asked = done.stderr.partition('asked: ')[2]
    for option in ('--torch 2.6.0', '--extras video,data', '--torch-index https://here',
                   '--editable '):
        assert option in asked
    assert not (tmp_path / 'venv' / '.cdvd_mm_installed').exists()
