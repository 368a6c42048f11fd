"""tools/train.py and tools/test.py, alone and in several processes."""

import importlib.util
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from cdvd_mm.compat.checkpoint import load_from_local

ROOT = Path(__file__).resolve().parents[2]
CONFIG = str(ROOT / 'configs/cdvd_gopro.py')


def tool(name: str):
    """A tool's module, without running it."""
    spec = importlib.util.spec_from_file_location(name, ROOT / f'tools/{name}.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def options(data: Path, **more) -> list[str]:
    """A small network on small data, through --cfg-options."""
    chosen = {
        **{f'{part}_dataloader.dataset.data_root': data for part in ('train', 'val', 'test')},
        'model.generator.mid_channels': 4,
        'model.generator.num_blocks': 1,
        'model.generator.flow_estimator': None,
        'train_dataloader.dataset.pipeline.0.crop_size': 32,
        'train_dataloader.dataset.repeat': 5,
        'train_dataloader.num_workers': 1,
        'test_dataloader.num_workers': 0,
        'test_dataloader.persistent_workers': False,
        'val_dataloader.num_workers': 0,
        'val_dataloader.persistent_workers': False,
        'train_cfg.max_epochs': 1,
        'train_cfg.val_interval': 1,
        'train_cfg.total_batch_size': None,  # one sample for each process and step
        'default_hooks.visualization.interval.val': 3,
        **more,
    }
    return ['--cfg-options', *(f'{key}={value}' for key, value in chosen.items())]


@pytest.fixture
def data(make_dataset):
    return make_dataset(train={'a': 6, 'b': 6}, test={'c': 6, 'd': 7})


def weights(work_dir: Path) -> dict:
    return load_from_local(work_dir / 'epoch_1.pth')['state_dict']


def test_two_runs_of_20_iterations_are_identical_and_can_be_tested(data, tmp_path, capsys):
    train, test = tool('train'), tool('test')
    for run in ('first', 'second'):
        assert train.main([CONFIG, '--work-dir', str(tmp_path / run), *options(data)]) == 0
    first, second = weights(tmp_path / 'first'), weights(tmp_path / 'second')
    assert first.keys() == second.keys()
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    checkpoint = load_from_local(tmp_path / 'first/epoch_1.pth')
    assert checkpoint['meta']['iter'] == 20

    capsys.readouterr()
    path = str(tmp_path / 'first/epoch_1.pth')
    assert test.main([CONFIG, path, '--work-dir', str(tmp_path / 'test'), *options(data)]) == 0
    printed = capsys.readouterr().out
    assert re.search(r'^PSNR: \d+\.\d+$', printed, re.M) and 'SSIM: ' in printed
    # TensorBoard, log and pictures are there to be looked at
    assert list((tmp_path / 'first').rglob('events.out.tfevents*'))
    assert list((tmp_path / 'first').rglob('vis_image/*.png'))


def dist(script: str, *arguments, port: int) -> str:
    """Run one of the dist_*.sh; return what it printed."""
    env = dict(os.environ, PORT=str(port), PYTHON=sys.executable, OMP_NUM_THREADS='1')
    done = subprocess.run(['bash', str(ROOT / f'tools/{script}'), *map(str, arguments)], text=True,
                          capture_output=True, env=env, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        return listener.getsockname()[1]


def metrics(printed: str) -> dict[str, float]:
    return {name: float(value) for name, value in
            re.findall(r'^(PSNR|SSIM): (\S+)$', printed, re.M)}


def test_distributed_training_and_the_same_metrics_for_1_and_2_processes(data, tmp_path):
    dist('dist_train.sh', CONFIG, 2, '--work-dir', tmp_path / 'train', *options(data),
         port=free_port())
    checkpoint = tmp_path / 'train/epoch_1.pth'
    assert load_from_local(checkpoint)['meta']['iter'] == 10  # 2 x 10 windows
    results = [
        metrics(dist('dist_test.sh', CONFIG, checkpoint, processes, '--work-dir',
                     tmp_path / f'test{processes}', *options(data), port=free_port()))
        for processes in (1, 2)
    ]
    assert results[0].keys() == {'PSNR', 'SSIM'}
    for name, value in results[0].items():
        assert results[1][name] == pytest.approx(value, abs=1e-6)


def fails(tool_module, *arguments, capsys) -> str:
    """Run a tool that must fail; return its one message."""
    capsys.readouterr()
    assert tool_module.main(list(map(str, arguments))) == 1
    message = capsys.readouterr().err.strip()
    assert message.splitlines()[-1].startswith('error: ') or 'error: ' in message
    assert 'Traceback' not in message
    return message


def test_user_errors(data, tmp_path, capsys):
    train, test = tool('train'), tool('test')
    work = ['--work-dir', str(tmp_path / 'work')]
    assert 'config not found: absent.py' in fails(train, 'absent.py', capsys=capsys)
    assert 'checkpoint not found: absent.pth' in fails(test, CONFIG, 'absent.pth', *work,
                                                       capsys=capsys)
    assert 'checkpoint not found: absent.pth' in fails(
        train, CONFIG, *work, '--resume', 'absent.pth', *options(data), capsys=capsys)
    (tmp_path / 'empty').mkdir()
    assert str(tmp_path / 'empty') in fails(train, CONFIG, *work, *options(tmp_path / 'empty'),
                                            capsys=capsys)
    message = fails(train, CONFIG, *work, *options(data, **{'model.generator.num_frames': 4}),
                    capsys=capsys)
    assert 'num_frames must be odd' in message
    message = fails(train, CONFIG, *work, *options(data, **{'model.generator.prior.form': 'new'}),
                    capsys=capsys)
    assert 'released' in message and 'paper' in message


def test_checkpoint_of_another_model(data, tmp_path, capsys):
    other = tmp_path / 'other.pth'
    torch.save(dict(state_dict={'generator.conv.weight': torch.zeros(1)}), other)
    message = fails(tool('test'), CONFIG, other, '--work-dir', tmp_path / 'work', *options(data),
                    capsys=capsys)
    assert 'other.pth is not a checkpoint of this CascadedRestorer' in message
    assert 'missing' in message and 'left over: generator.conv.weight' in message


def test_usage_of_the_scripts():
    for script in ('dist_train.sh', 'dist_test.sh', 'slurm_train.sh', 'slurm_test.sh'):
        done = subprocess.run(['bash', str(ROOT / 'tools' / script)], text=True,
                              capture_output=True)
        assert done.returncode == 2 and 'usage:' in done.stderr
