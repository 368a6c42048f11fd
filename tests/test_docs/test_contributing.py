"""CONTRIBUTING.md's own package: written out as printed, installed, and run through every tool."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from video_files import make_video

from cdvd_mm.data_tools.demo import DemoSettings, make_demo_data

ROOT = Path(__file__).resolve().parents[2]
FILES = ('setup.py', 'own_deblur/__init__.py', 'own_deblur/network.py', 'own_deblur/loss.py',
         'own_deblur/data.py', 'own_deblur/protocol.py', 'own_deblur/flow.py', 'own_clip.py',
         'own_flow.py')


def printed_files() -> dict[str, str]:
    """The files that CONTRIBUTING.md prints, by the name in their first line."""
    text = (ROOT / 'CONTRIBUTING.md').read_text(encoding='utf-8')
    return dict(re.findall(r'```python\n# (\S+)\n(.*?)```', text, flags=re.S))


@pytest.fixture(scope='module')
def workplace(tmp_path_factory) -> Path:
    """A folder with the installed package, its configs, demo data and a video."""
    folder = tmp_path_factory.mktemp('own')
    for name, text in printed_files().items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding='utf-8')
    subprocess.run([sys.executable, '-m', 'pip', 'install', '-q', '--no-deps', '--no-index',
                    '--no-build-isolation', '--target', str(folder / 'site'), str(folder)],
                   check=True, capture_output=True)
    os.rename(folder / 'own_deblur', folder / 'sources')  # the installed one is what runs
    make_demo_data(str(folder / 'data/demo'), DemoSettings(
        train_scenes=2, test_scenes=1, test_frames=6, train_size=(64, 64), test_size=(64, 64)))
    make_video(folder / 'blurred.mp4', 8)
    return folder


def run(folder: Path, *commands: list[str]) -> str:
    """Run commands of ``cdvd-mm`` one after the other in one process, as a user would type them."""
    code = 'import sys; from cdvd_mm.cli import main\n' + ''.join(
        f'assert main({command!r}) == 0, {command!r}\n' for command in commands)
    paths = os.pathsep.join([str(folder / 'site'), str(ROOT)])
    result = subprocess.run([sys.executable, '-c', code], cwd=folder, capture_output=True,
                            text=True, timeout=280, env=dict(os.environ, PYTHONPATH=paths))
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-3000:]
    return result.stdout


def test_all_parts_are_printed():
    assert tuple(printed_files()) == FILES


def test_own_clip_network_trains_tests_compares_and_deblurs(workplace):
    few = ['--cfg-options', 'train_cfg.max_iters=4', 'train_cfg.val_interval=4',
           'default_hooks.checkpoint.interval=4', 'train_dataloader.num_workers=0',
           'train_dataloader.persistent_workers=False', 'train_dataloader.dataset.num_frames=5']
    checkpoint = 'work_dirs/own_clip/iter_4.pth'
    text = run(
        workplace, ['train', 'own_clip.py', *few],
        ['test', 'own_clip.py', checkpoint, '--protocol', 'own'],
        ['compare', f'own_clip.py:{checkpoint}', 'own_flow.py', '--data', 'data/demo', '--out',
         'work_dirs/compare', '--protocol', 'own'],
        ['deblur', 'blurred.mp4', 'sharp.mp4', 'own_clip.py', checkpoint, '--quiet'])
    assert 'PSNR' in text
    assert (workplace / 'work_dirs/compare/report.html').is_file()
    assert (workplace / 'sharp.mp4').is_file()


def test_own_flow_trains(workplace):
    few = ['--cfg-options', 'train_cfg.max_iters=2', 'train_cfg.val_interval=2',
           'default_hooks.checkpoint.interval=2', 'train_dataloader.num_workers=0',
           'train_dataloader.persistent_workers=False', 'model.stage_milestones=[1]']
    run(workplace, ['train', 'own_flow.py', *few])
    assert (workplace / 'work_dirs/own_flow/iter_2.pth').is_file()
