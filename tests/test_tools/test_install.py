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
    old = fake_python(tmp_path, 'case "$2" in *sys.exit*) exit 1 ;; *) echo 3.8.18 ;; esac')
    done = install('--venv', str(tmp_path / 'venv'), '--python', str(old))
    assert done.returncode == 1
    assert '3.8.18; Python 3.10, 3.11 or 3.12 is needed' in done.stderr
    assert not (tmp_path / 'venv').exists()


def test_a_broken_environment_is_refused(install, tmp_path):
    (tmp_path / 'venv').mkdir()
    done = install('--venv', str(tmp_path / 'venv'))
    assert done.returncode == 1
    assert 'Remove the folder, or name another with --venv' in done.stderr


def test_a_failed_step_is_named(install, tmp_path):
    """An environment whose pip fails at the first download."""
    (tmp_path / 'venv' / 'bin').mkdir(parents=True)
    fake_python(tmp_path / 'venv' / 'bin', f"""case "$*" in
        *"pip --version"*) exit 0 ;;
        *"pip install"*) echo "no matching distribution" >&2; exit 1 ;;
        *cdvd_mm.check_env*) exit 1 ;;
        *metadata*) exit 0 ;;
        *) exec {sys.executable} "$@" ;;
    esac""")
    done = install('--venv', str(tmp_path / 'venv'), '--force')
    assert done.returncode == 1
    assert 'no matching distribution' in done.stderr
    assert 'PyTorch' in done.stderr and 'failed' in done.stderr
    assert 'once mended, run this script again' in done.stderr
