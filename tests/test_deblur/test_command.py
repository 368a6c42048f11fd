"""``cdvd-mm deblur``: exit codes, messages, and what it does with its input."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('av')

import av  # noqa: E402
from video_files import images, make_video, psnr  # noqa: E402

from cdvd_mm import cli  # noqa: E402
from cdvd_mm.deblur.options import parse_time  # noqa: E402
from cdvd_mm.inference.options import parse_tile  # noqa: E402


def run(source: Path, output: Path, *more: str) -> int:
    """``cdvd-mm deblur`` on the CPU."""
    return cli.run('deblur', [str(source), str(output), *more, '--device', 'cpu'])


def test_command(tmp_path, model, capsys):
    source = make_video(tmp_path / 'in.mp4', 6)
    assert run(source, tmp_path / 'out.mp4', *model) == 0
    out = capsys.readouterr()
    assert 'out.mp4: 6 frames' in out.out and 'frames/s' in out.out
    assert len(images(tmp_path / 'out.mp4')) == 6
    assert run(source, tmp_path / 'out.mp4', *model, '--quiet') == 1
    assert 'exists' in capsys.readouterr().err
    for source_name, checkpoint in (('missing.mp4', model[1]), ('in.mp4', 'missing.pth')):
        assert run(tmp_path / source_name, tmp_path / 'b.mp4', model[0], checkpoint) == 1
        assert 'missing' in capsys.readouterr().err


def test_command_with_truncated_input(tmp_path, model, capsys):
    source = make_video(tmp_path / 'in.mp4', 30, faststart=True, options={'g': '5', 'bf': '0'})
    source.write_bytes(source.read_bytes()[:int(source.stat().st_size * .6)])
    output = tmp_path / 'out.mp4'
    assert run(source, output, *model) == 1
    assert 'damaged' in capsys.readouterr().err
    assert 3 < len(images(output)) < 30 and not list(tmp_path.glob('*.parts'))


@pytest.mark.parametrize('content', [b'', b'no video at all ' * 99])
def test_command_with_what_is_no_video(tmp_path, model, capsys, content):
    (tmp_path / 'in.mp4').write_bytes(content)
    assert run(tmp_path / 'in.mp4', tmp_path / 'o.mp4', *model) == 1
    error = capsys.readouterr().err
    assert 'error: ' in error and 'in.mp4' in error and len(error.splitlines()) == 1


@pytest.mark.parametrize('name, code', [('SIGINT', 130), ('SIGTERM', 143)])
def test_command_interrupted_from_outside(tmp_path, model, repo_root, name, code):
    """What is done is kept, the same command finishes it."""
    source = make_video(tmp_path / 'in.mp4', 150, (96, 64), options={'preset': 'ultrafast'})
    command = [sys.executable, str(repo_root / 'tools/deblur.py'), str(source),
               str(tmp_path / 'out.mp4'), *model, '--device', 'cpu', '--quiet',
               '--segment-frames', '10']
    process = subprocess.Popen(  # who runs the tests in the background has SIGINT ignored
        command, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    parts = tmp_path / 'out.mp4.parts'
    deadline = time.time() + 120
    while time.time() < deadline and not list(parts.glob('*.pkt')) and process.poll() is None:
        time.sleep(.05)
    process.send_signal(getattr(signal, name))
    error = process.communicate(timeout=60)[1]
    assert process.returncode == code and 'interrupted' in error, error
    assert not (tmp_path / 'out.mp4').exists()
    assert json.loads((parts / 'state.json').read_text())['complete'] is False
    assert cli.run('deblur', command[2:]) == 0
    assert len(images(tmp_path / 'out.mp4')) == 150


def test_input_is_opened_once_to_look_and_once_to_read(tmp_path, model, monkeypatch):
    """And once each to find out what goes over, and to take it: sound, tags."""
    source = make_video(tmp_path / 'in.mp4', 60, audio=True, options={'g': '5'})
    opened, original = [], av.open

    def count(file, mode='r', **kwargs):
        if mode == 'r':
            opened.append(Path(file))
        return original(file, mode, **kwargs)

    monkeypatch.setattr(av, 'open', count)
    assert run(source, tmp_path / 'out.mp4', *model, '--start', '1.5', '--end', '1.7') == 0
    assert [path for path in opened if path == source] == [source] * 4


def test_what_is_wrong_is_told_before_the_model_is_built(tmp_path, capsys):
    source = make_video(tmp_path / 'in.mp4', 3)
    none = (str(tmp_path / 'none.py'), str(tmp_path / 'none.pth'))
    for output, options, message in (
            ('in.mp4', [], 'are the same'), ('out.doc', [], 'expected a name ending in'),
            ('out.mp4', ['--codec', 'nosuch'], 'no encoder'), ('out.mp4', [], 'none.py')):
        assert run(source, tmp_path / output, *none, *options) == 1
        assert message in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ['in.mp4']


def test_without_a_model(tmp_path, model, capsys):
    """Config and checkpoint go together; without both the package's own model is used."""
    source = make_video(tmp_path / 'in.mp4', 3)
    assert run(source, tmp_path / 'out', model[0]) == 1
    assert 'no checkpoint is given for' in capsys.readouterr().err
    assert run(source, tmp_path / 'out', '--quiet', *model) == 0  # options may come between
    assert run(source, tmp_path / 'shipped', '--quiet') == 0
    blurred, restored = images(source), images(tmp_path / 'shipped')
    assert len(restored) == 3 and all(psnr(*pair) > 20 for pair in zip(blurred, restored))
    assert not any(map(np.array_equal, restored, images(tmp_path / 'out')))


def test_parsing():
    assert parse_time('90') == 90 and parse_time('1:30.5') == 90.5 and parse_time('1:0:0') == 3600
    assert parse_tile('auto') == 'auto' and parse_tile('none') is None and parse_tile('256') == 256
    for text in ('1:2:3:4', 'soon', '-1', 'nan', 'inf', ''):
        with pytest.raises(ValueError):
            parse_time(text)
