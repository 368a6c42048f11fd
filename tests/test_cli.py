"""The command: help at once, one line for errors, the same from tools/."""

from __future__ import annotations

import importlib.util
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cdvd_mm import cli
from cdvd_mm.errors import Terminated
from cdvd_mm.options import load
from cdvd_mm.version import __version__

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ('torch', 'torchvision', 'mmengine', 'mmcv', 'mmagic', 'cv2', 'av', 'numpy', 'PIL', 'rich')
# Prints the help of everything in one process and stops at the first heavy module.
HELP = f"""
import contextlib, io, runpy, sys

def check(what):
    heavy = [name for name in {HEAVY!r} if name in sys.modules]
    assert not heavy, f'{{what}} imports {{heavy}}'

def say_help(run):
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
        run()
    assert 'usage: ' in text.getvalue()

import cdvd_mm
check('cdvd_mm')
from cdvd_mm import cli
from cdvd_mm.errors import Terminated
say_help(lambda: cli.main(['--help']))
for name in cli.COMMANDS:
    say_help(lambda: cli.main([name, '--help']))
    check(name)
for tool in sys.argv[1:]:
    sys.argv = [tool, '--help']
    say_help(lambda: runpy.run_path(tool, run_name='__main__'))
    check(tool)
"""


def every_tool() -> list[Path]:
    return sorted((ROOT / 'tools').rglob('*.py'))


# Writes into the checkout, so it is no command.
TOOLS = [path for path in every_tool() if path.stem != 'generate_model_zoo']


def test_help_imports_nothing_heavy():
    done = subprocess.run([sys.executable, '-c', HELP, *map(str, every_tool())],
                          capture_output=True, text=True,
                          timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize('name', cli.COMMANDS)
def test_calls_exist(name):
    assert callable(load(cli.COMMANDS[name].call))


@pytest.mark.parametrize('path', TOOLS, ids=lambda path: path.stem)
def test_tools_are_commands(path, capsys):
    spec = importlib.util.spec_from_file_location('a_tool', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with pytest.raises(SystemExit) as stopped:
        module.main(['--help'])
    assert stopped.value.code == 0 and 'usage: cdvd-mm ' in capsys.readouterr().out


def test_list_of_commands_and_version(capsys):
    for argv, expected in ((['--help'], 'deblur '), (['--version'], f'cdvd-mm {__version__}')):
        with pytest.raises(SystemExit) as stopped:
            cli.main(argv)
        assert stopped.value.code == 0 and expected in capsys.readouterr().out


@pytest.mark.parametrize('argv', [[], ['sharpen'], ['deblur'], ['train', 'a.py', '--amp', 'fp8']])
def test_wrong_usage(argv, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(argv)
    assert stopped.value.code == 2 and 'usage: cdvd-mm' in capsys.readouterr().err


def test_module_is_the_command():
    done = subprocess.run([sys.executable, '-m', 'cdvd_mm', 'train', 'none.py'],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 1 and done.stderr.strip() == 'error: config not found: none.py'


def raising(error: BaseException):
    def call(*options):
        raise error
    return call


@pytest.fixture
def failing(monkeypatch):
    """Make ``cdvd-mm train`` fail with an error; returns what runs it."""
    def run(error: BaseException, *argv: str) -> int:
        monkeypatch.setattr('cdvd_mm.engine.command.train', raising(error))
        return cli.main(['train', 'config.py', *argv])
    return run


def test_errors_of_users_are_one_line(failing, capsys):
    from cdvd_mm.engine.loop import TrainingStopped
    from cdvd_mm.inference.precision import OutOfMemoryError
    for error in (ValueError('no'), OSError('no'), TrainingStopped('no'), OutOfMemoryError('no')):
        assert failing(error) == 1
        assert capsys.readouterr().err == 'error: no\n'
    assert failing(ModuleNotFoundError('no', name='av')) == 1
    assert "pip install 'av>=17,<19'" in capsys.readouterr().err
    assert failing(KeyboardInterrupt()) == 130
    assert 'interrupted' in capsys.readouterr().err


@pytest.mark.parametrize('error', [TypeError('a\n\tb'), RuntimeError('a b'), KeyError('a b'),
                                   RecursionError('a b'), ModuleNotFoundError('a b', name='lost')])
def test_what_was_not_foreseen_names_its_place(failing, capsys, error):
    """A config can raise anything: one line, with type and place."""
    assert failing(error) == 1
    line, = capsys.readouterr().err.splitlines()
    assert line.startswith(f'error: {type(error).__name__}: ') and 'a b' in line
    assert 'test_cli.py:' in line and '--debug' in line


def test_signals_have_their_exit_codes(failing, capsys):
    assert failing(Terminated(signal.SIGTERM, 'saved')) == 143
    assert capsys.readouterr().err == 'saved\n'
    assert failing(Terminated(signal.SIGUSR1)) == 128 + signal.SIGUSR1


def test_system_errors_name_the_file(failing, capsys):
    failing(PermissionError(13, 'Permission denied', '/a/b'))
    assert capsys.readouterr().err == 'error: /a/b: Permission denied\n'


def test_output_that_cannot_be_written_is_an_error():
    """A full disk behind stdout: not the interpreter's last words, and not exit code 0."""
    code = 'import sys; from cdvd_mm.errors import guarded; sys.exit(guarded(lambda: print("x")))'
    with open('/dev/full', 'w') as full:
        done = subprocess.run([sys.executable, '-c', code], stdout=full, stderr=subprocess.PIPE,
                              text=True, timeout=60)
    assert done.returncode == 1 and done.stderr == 'error: [Errno 28] No space left on device\n'


def test_debug_shows_where(failing, monkeypatch):
    with pytest.raises(ValueError):
        failing(ValueError('no'), '--debug')
    monkeypatch.setenv('CDVD_MM_DEBUG', '1')
    with pytest.raises(ValueError):
        failing(ValueError('no'))
