"""Every program in docs/en/examples runs, on stand-ins, as the pages show it."""

import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
import torch
from video_files import make_video, moving_picture

from cdvd_mm.apis import init_model

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / 'docs/en/examples').glob('*.py'))
CONFIG = ROOT / 'configs/cdvd_demo.py'


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory) -> str:
    """The demo's network, which starts at the blurred frame."""
    path = tmp_path_factory.mktemp('weights') / 'demo.pth'
    model = init_model(str(CONFIG), device='cpu')
    model.init_weights()  # the last convolution starts at zero
    torch.save({'state_dict': model.state_dict()}, path)
    return str(path)


def run(name: str, *arguments: object) -> str:
    """Run an example in a process of its own; return what it prints beside MMEngine's log."""
    environment = dict(os.environ, PYTHONPATH=str(ROOT))
    result = subprocess.run(
        [sys.executable, str(ROOT / 'docs/en/examples' / name), *map(str, arguments)],
        capture_output=True, text=True, env=environment, timeout=240)
    assert result.returncode == 0, result.stderr
    return '\n'.join(line for line in result.stdout.splitlines() if ' - mmengine - ' not in line)


def frames(folder: Path, number: int = 4) -> Path:
    folder.mkdir()
    for index in range(number):
        cv2.imwrite(str(folder / f'{index:05d}.png'), moving_picture(index, (48, 32)))
    return folder


def test_restore_folder_and_score_frames(tmp_path, checkpoint):
    source = frames(tmp_path / 'in')
    text = run('restore_folder.py', source, tmp_path / 'out', CONFIG, checkpoint)
    assert text.startswith('4 frames in ')
    assert len(list((tmp_path / 'out').glob('*.png'))) == 4
    # the untrained network hands the frames on, but for rounding
    scores = run('score_frames.py', tmp_path / 'out', source)
    assert float(scores.rsplit('frames: ', 1)[1].split(' dB')[0]) > 48


def test_camera_stream(tmp_path, checkpoint):
    video = make_video(tmp_path / 'camera.avi', 6, codec='ffv1', pix_fmt='bgr0')
    lines = run('camera_stream.py', video, CONFIG, checkpoint).splitlines()
    assert [line.split(',')[0] for line in lines] == [f'frame {n}: 48x32' for n in range(6)]


def test_every_example_is_tested_and_shown():
    tested = Path(__file__).read_text(encoding='utf-8')
    page = (ROOT / 'docs/en/examples.md').read_text(encoding='utf-8')
    assert EXAMPLES
    for path in EXAMPLES:
        assert f"'{path.name}'" in tested and f'examples/{path.name}' in page


