"""A training that is killed goes on as if nothing had been."""

import contextlib
import os
import random
import shutil
import signal
import time
from pathlib import Path
from unittest import mock

import pytest
import torch
from mmagic.models.archs import PixelShufflePack
from mmagic.models.editors import BasicVSRPlusPlusNet
from mmengine.hooks import Hook
from tiny_training import (
    child_process,
    differences,
    make_data,
    tiny_config,
    train,
    validation,
    wait,
)
from torch import nn

from cdvd_mm import files
from cdvd_mm.compat.checkpoint import load_from_local
from cdvd_mm.engine import launch
from cdvd_mm.engine.checkpoints import find_latest_checkpoint
from cdvd_mm.engine.config import load_config
from cdvd_mm.errors import Terminated
from cdvd_mm.files import write_atomically
from cdvd_mm.registry import MODELS

ROOT = Path(__file__).resolve().parents[2]


class At(Hook):
    """Does something when a step begins (counted from 0)."""

    def __init__(self, step, action):
        self.step, self.action = step, action

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == self.step:
            self.action(runner)


def at(step, action):
    return lambda runner: runner.register_hook(At(step, action))


def kill_self(*_):
    os.killpg(0, signal.SIGKILL)


def run(cfg, resume=None, prepare=None, seconds=60):
    """Train in a child; return its exit code."""
    with child_process(lambda: train(cfg, resume=resume, prepare=prepare)) as pid:
        code = wait(pid, seconds)
        assert code is not None, 'the training hangs'
        return code


@pytest.mark.parametrize('num_workers', [0, 2])
def test_killed_and_resumed_is_bit_identical(tiny_data, undisturbed, tmp_path, num_workers):
    cfg = tiny_config(tiny_data, tmp_path, num_workers=num_workers)
    assert run(cfg, prepare=at(13, kill_self)) == -signal.SIGKILL
    assert find_latest_checkpoint(tmp_path) == str(tmp_path / 'iter_10.pth')
    assert run(cfg, resume='auto') == 0
    assert differences(undisturbed, tmp_path / 'iter_20.pth') == {}


def test_killed_at_20_random_moments(tiny_data, tmp_path_factory):
    """Every run comes as far as one new checkpoint and is killed somewhere after it."""
    make = dict(max_iters=200, num_workers=1, save_every=1)  # too long for 20 short runs
    straight = tmp_path_factory.mktemp('straight')
    train(tiny_config(tiny_data, straight, **make))
    work_dir = tmp_path_factory.mktemp('killed')
    cfg = tiny_config(tiny_data, work_dir, **make)
    clock = random.Random(1)
    pointer, seen = work_dir / 'last_checkpoint', None
    for _ in range(20):
        with child_process(lambda: train(cfg, resume='auto')) as pid:
            deadline = time.monotonic() + 60
            while not pointer.exists() or pointer.read_text() == seen:
                assert time.monotonic() < deadline and wait(pid, 0.002) is None
            assert wait(pid, clock.uniform(0, 0.08)) is None, 'ended before it could be killed'
            os.killpg(pid, signal.SIGKILL)
        assert find_latest_checkpoint(work_dir) is not None
        seen = pointer.read_text()
    assert run(cfg, resume='auto') == 0
    assert differences(straight / 'iter_200.pth', work_dir / 'iter_200.pth') == {}


@pytest.mark.parametrize('function', ['fsync', 'replace'])
def test_killed_while_writing_a_checkpoint(tiny_data, undisturbed, tmp_path, function):
    """The second checkpoint is half written, or written and not named yet."""

    def prepare(runner):
        def patch(_):
            mock.patch.object(files.os, function, kill_self).start()
        runner.register_hook(At(7, patch))

    cfg = tiny_config(tiny_data, tmp_path)
    assert run(cfg, prepare=prepare) == -signal.SIGKILL
    assert list(tmp_path.glob('.iter_10.pth.*.partial'))
    assert find_latest_checkpoint(tmp_path) == str(tmp_path / 'iter_5.pth')
    assert run(cfg, resume='auto') == 0
    assert not list(tmp_path.glob('.*.partial'))
    assert differences(undisturbed, tmp_path / 'iter_20.pth') == {}


def test_damaged_checkpoints_are_passed_over(tiny_data, undisturbed, tmp_path):
    cfg = tiny_config(tiny_data, tmp_path, default_hooks=dict(
        logger=dict(type='LoggerHook'),
        checkpoint=dict(type='SafeCheckpointHook', interval=4, by_epoch=False)))
    assert run(cfg, prepare=at(17, kill_self)) == -signal.SIGKILL
    data = bytearray((tmp_path / 'iter_16.pth').read_bytes())
    data[len(data) // 2] ^= 1  # one bit of a tensor
    (tmp_path / 'iter_16.pth').write_bytes(data)
    (tmp_path / 'iter_12.pth').write_bytes((tmp_path / 'iter_12.pth').read_bytes()[:3000])
    torch.save(dict(state_dict={}), tmp_path / 'weights_alone.pth')
    assert (tmp_path / 'last_checkpoint').read_text() == str(tmp_path / 'iter_16.pth')
    assert find_latest_checkpoint(tmp_path) == str(tmp_path / 'iter_8.pth')
    assert run(cfg, resume='auto') == 0
    assert differences(undisturbed, tmp_path / 'iter_20.pth') == {}


def test_only_damaged_checkpoints_are_refused(tmp_path):
    assert find_latest_checkpoint(tmp_path) is None
    (tmp_path / 'iter_5.pth').write_bytes(b'half a checkpoint')
    with pytest.raises(ValueError, match=r'none of the checkpoints in .* iter_5.pth'):
        find_latest_checkpoint(tmp_path)


def test_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / 'file'
    write_atomically(path, b'old')
    with mock.patch.object(files.os, 'fsync', side_effect=OSError(28, 'No space left on device')):
        with pytest.raises(OSError, match='No space left'):
            write_atomically(path, b'new')
    assert path.read_bytes() == b'old' and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize('name', ['SIGTERM', 'SIGUSR1'])
def test_signal_saves_and_ends_cleanly(tiny_data, undisturbed, tmp_path, name):
    cfg = tiny_config(tiny_data, tmp_path)
    number = getattr(signal, name)
    assert run(cfg, prepare=at(7, lambda _: os.kill(os.getpid(), number))) == 128 + number
    assert find_latest_checkpoint(tmp_path) == str(tmp_path / 'interrupted.pth')
    assert load_from_local(tmp_path / 'interrupted.pth')['meta']['iter'] == 8
    assert not (tmp_path / 'iter_20.pth').exists()
    assert run(cfg, resume='auto') == 0
    assert differences(undisturbed, tmp_path / 'iter_20.pth') == {}


@pytest.mark.parametrize('name, requeued', [('SIGUSR1', True), ('SIGTERM', False)])
def test_slurm_job_is_requeued(tiny_data, tmp_path, monkeypatch, name, requeued):
    """The announced end of a job's time puts it back into the queue, scancel does not."""
    called = tmp_path / 'called'
    scontrol = tmp_path / 'bin' / 'scontrol'
    scontrol.parent.mkdir()
    scontrol.write_text(f'#!/bin/sh\necho "$@" > {called}\n')
    scontrol.chmod(0o755)
    monkeypatch.setenv('PATH', str(scontrol.parent), prepend=os.pathsep)
    monkeypatch.setenv('SLURM_JOB_ID', '4711')
    cfg = tiny_config(tiny_data, tmp_path / 'work',
                      custom_hooks=[dict(type='InterruptHook', requeue=True)])
    number = getattr(signal, name)
    code = run(cfg, prepare=at(3, lambda _: os.kill(os.getpid(), number)))
    assert code == (0 if requeued else 143)
    assert (tmp_path / 'work' / 'interrupted.pth').is_file()
    assert called.exists() == requeued
    assert not requeued or called.read_text() == 'requeue 4711\n'


def test_without_slurm_an_interruption_still_ends_cleanly(tiny_data, tmp_path, monkeypatch):
    monkeypatch.setenv('SLURM_JOB_ID', '4711')
    monkeypatch.setenv('PATH', str(tmp_path))  # no scontrol
    cfg = tiny_config(tiny_data, tmp_path / 'work',
                      custom_hooks=[dict(type='InterruptHook', requeue=True)])
    assert run(cfg, prepare=at(3, lambda _: os.kill(os.getpid(), signal.SIGUSR1))) == 138
    assert (tmp_path / 'work' / 'interrupted.pth').is_file()


def test_epochs_resume_anywhere(tiny_data, tmp_path_factory):
    """3 steps an epoch, a schedule by epochs, interrupted within one and at the end of one."""
    make = dict(
        train_cfg=dict(type='ResumableTrainLoop', max_epochs=4, val_interval=2),
        param_scheduler=dict(type='StepLR', by_epoch=True, step_size=2, gamma=0.5),
        default_hooks=dict(logger=dict(type='LoggerHook'), checkpoint=dict(
            type='SafeCheckpointHook', interval=1, by_epoch=True, max_keep_ckpts=2,
            save_best='PSNR', rule='greater')),
        log_processor=dict(by_epoch=True), **validation(tiny_data))
    straight, work_dir = tmp_path_factory.mktemp('straight'), tmp_path_factory.mktemp('stopped')
    train(tiny_config(tiny_data, straight, **make))
    assert [path.name for path in sorted(straight.glob('*.pth'))][-2:] == \
        ['epoch_3.pth', 'epoch_4.pth']
    for step, resume in ((4, None), (5, 'auto'), (8, 'auto'), (99, 'auto')):
        with contextlib.suppress(Terminated):
            train(tiny_config(tiny_data, work_dir, **make), resume=resume,
                  prepare=at(step, lambda _: os.kill(os.getpid(), signal.SIGTERM)))
    assert differences(straight / 'epoch_4.pth', work_dir / 'epoch_4.pth') == {}
    rates = [load_from_local(folder / 'epoch_4.pth')['optimizer']['param_groups']
             for folder in (straight, work_dir)]
    assert [group['lr'] for group in rates[0]] == [group['lr'] for group in rates[1]]


def test_another_seed_does_not_slip_in(tiny_data, undisturbed, tmp_path):
    """The checkpoint's seed counts, whatever the config says now."""
    cfg = tiny_config(tiny_data, tmp_path)
    assert run(cfg, prepare=at(13, kill_self)) == -signal.SIGKILL
    assert run(tiny_config(tiny_data, tmp_path, randomness=dict(seed=99)), resume='auto') == 0
    assert differences(undisturbed, tmp_path / 'iter_20.pth') == {}


# ------------------------------------------------------------ what a resume means

def best(root, **more):
    """Entries of a run that keeps its best checkpoint, validated every 5 steps."""
    return dict(
        train_cfg=dict(type='ResumableTrainLoop', max_iters=more.pop('max_iters', 10),
                       val_interval=5),
        default_hooks=dict(logger=dict(type='LoggerHook'), checkpoint=dict(
            type='SafeCheckpointHook', interval=5, by_epoch=False, max_keep_ckpts=1,
            save_best='PSNR', rule='greater')), **validation(root), **more)


def test_the_latest_run_counts_not_the_highest_number(tiny_data, tmp_path):
    """A second run in the folder of one that came further; it says what it overwrites."""
    train(tiny_config(tiny_data, tmp_path, 10))
    said = []

    def listen(runner):
        warning = runner.logger.warning
        runner.logger.warning = lambda text: (said.append(text), warning(text))
        runner.register_hook(At(6, stop))

    def stop(runner):
        runner.train_loop.stop_training = True

    train(tiny_config(tiny_data, tmp_path, 10), prepare=listen)
    assert any('checkpoints of another run (iter_10.pth, iter_5.pth)' in text for text in said)
    assert find_latest_checkpoint(tmp_path) == str(tmp_path / 'iter_5.pth')


def test_a_copied_folder_goes_on_from_its_own_files(tiny_data, tmp_path):
    first, copy = tmp_path / 'first', tmp_path / 'copy'
    train(tiny_config(tiny_data, first, **best(tiny_data)))
    kept = sorted(path.name for path in first.glob('*.pth'))
    shutil.copytree(first, copy, copy_function=shutil.copyfile)
    for path in copy.glob('*.pth'):
        os.utime(path, (1, 1))  # copying keeps no times
    train(tiny_config(tiny_data, first, **best(tiny_data, max_iters=15)), resume='auto')
    assert (copy / 'last_checkpoint').read_text().startswith(str(first))
    assert find_latest_checkpoint(copy) == str(copy / 'iter_10.pth')
    for path in first.glob('iter_*.pth'):
        path.unlink()
    before = {path.name: path.read_bytes() for path in first.glob('*.pth')}
    train(tiny_config(tiny_data, copy, **best(tiny_data, max_iters=15)), resume='auto')
    assert {path.name: path.read_bytes() for path in first.glob('*.pth')} == before
    assert (copy / 'iter_15.pth').exists() and not (copy / 'iter_10.pth').exists()
    assert len(list(copy.glob('best_*'))) == 1 == len([name for name in kept if 'best_' in name])


def test_a_branch_leaves_the_other_folder_alone(tiny_data, tmp_path):
    """Its best file and its numbers are another's; a branch's own best is what counts in it."""
    trunk, branch = tmp_path / 'trunk', tmp_path / 'branch'
    train(tiny_config(tiny_data, trunk, **best(tiny_data)))
    before = {path.name: path.read_bytes() for path in trunk.glob('*.pth')}
    assert len(before) == 2
    branch.mkdir()
    (branch / 'iter_10.pth').write_bytes(b'of somebody else')
    train(tiny_config(tiny_data, branch, **best(tiny_data, max_iters=20)),
          resume=str(trunk / 'iter_10.pth'))
    assert {path.name: path.read_bytes() for path in trunk.glob('*.pth')} == before
    assert (branch / 'iter_10.pth').read_bytes() == b'of somebody else'
    assert sorted(path.name for path in branch.glob('iter_*')) == ['iter_10.pth', 'iter_20.pth']
    assert len(list(branch.glob('best_*'))) == 1


@pytest.mark.parametrize('missing', ['optimizer', 'param_schedulers', 'message_hub'])
def test_only_a_whole_checkpoint_is_resumed_from(tiny_data, undisturbed, tmp_path, missing):
    content = load_from_local(undisturbed)
    del content[missing]
    torch.save(content, tmp_path / 'part.pth')
    cfg = tiny_config(tiny_data, tmp_path / 'work')
    with pytest.raises(ValueError, match=f'part.pth holds no {missing}.*--load-from .*part.pth'):
        train(cfg, resume=str(tmp_path / 'part.pth'))
    cfg = tiny_config(tiny_data, tmp_path / 'work', max_iters=1)
    runner = launch.train(cfg, load_from=str(tmp_path / 'part.pth'))
    assert runner.iter == 1


def test_weights_of_which_none_fits(tiny_data, tmp_path):
    torch.save(dict(state_dict={'other': torch.ones(1)}), tmp_path / 'other.pth')
    cfg = tiny_config(tiny_data, tmp_path / 'work', custom_hooks=[])
    with pytest.raises(ValueError, match='not one weight of .*other.pth belongs to this Cascaded'):
        launch.train(cfg, load_from=str(tmp_path / 'other.pth'))


@pytest.mark.parametrize('key, value', [
    ('optim_wrapper.optimizer.lr', 5e-4), ('param_scheduler.1.gamma', 0.1),
    ('optim_wrapper.optimizer.weight_decay', 0.1)])
def test_a_setting_that_a_resume_would_ignore(tiny_data, undisturbed, tmp_path, key, value):
    cfg = tiny_config(tiny_data, tmp_path)
    cfg.merge_from_dict({key: value})
    with pytest.raises(ValueError, match=f'change nothing: {key} was .*, now it is {value}'):
        train(cfg, resume=str(undisturbed))


def test_a_longer_training_is_what_a_resume_takes_over(tiny_data, undisturbed, tmp_path):
    runner = train(tiny_config(tiny_data, tmp_path, 22), resume=str(undisturbed))
    assert runner.iter == 22


def test_a_checkpoint_of_an_earlier_version_is_resumed_from(tiny_data, undisturbed, tmp_path):
    """One that does not say when it was saved to the second, nor with which settings."""
    content = load_from_local(undisturbed)
    for name in ('saved', 'settings'):
        del content['meta']['training'][name]
    torch.save(content, tmp_path / 'iter_20.pth')
    runner = train(tiny_config(tiny_data, tmp_path, 21), resume='auto')
    assert runner.iter == 21


CROP = 'train_dataloader.dataset.pipeline.0.crop_size'
DEMOS = {
    'cdvd_demo': {},
    'cdvd_nl/cdvd-nl_demo': {'train_dataloader.dataset.run_length': 3},
    'dstnet_plus/dstnet-plus_demo': {'train_dataloader.dataset.num_frames': 5},
    'dstnet_plus/dstnet-plus-l_demo': {'train_dataloader.dataset.num_frames': 3},
    'estrnn/estrnn_demo': {'train_dataloader.dataset.run_length': 6},
    'stfan/stfan_demo': {},
    'edvr/edvr-deblur_demo': {'model.train_cfg.tsa_iter': 13, 'model.generator.mid_channels': 8,
                              'train_dataloader.batch_size': 1},
    'basicvsr_pp/basicvsr-pp_demo': {'model.generator.type': 'ThinBasicVSRPlusPlus',
                                     'model.train_cfg.fix_iter': 13,
                                     'train_dataloader.dataset.run_length': 2},
}
"""Configs, with parts of EDVR and BasicVSR++ resting until after the resume."""


@MODELS.register_module()
class ThinBasicVSRPlusPlus(BasicVSRPlusPlusNet):
    """BasicVSR++ without what takes seconds a step whatever its options: flow and full size."""

    def __init__(self, mid_channels, **kwargs):
        super().__init__(mid_channels, **kwargs)
        self.spynet.basic_module = nn.ModuleList(nn.Conv2d(8, 2, 3, padding=1) for _ in range(6))
        self.upsample1 = PixelShufflePack(mid_channels, 4, 2, upsample_kernel=3)
        self.upsample2 = PixelShufflePack(4, 4, 2, upsample_kernel=3)
        self.conv_hr, self.conv_last = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 3, 3, padding=1)


@pytest.mark.parametrize('name', DEMOS)
def test_all_methods_resume_exactly(tmp_path, name):
    options = dict(DEMOS[name], **{
        CROP: 32, 'train_cfg.max_iters': 20, 'train_dataloader.num_workers': 0,
        'train_dataloader.persistent_workers': False,
        'train_dataloader.dataset.data_root': str(make_data(tmp_path / 'data', 1, 7, 48)),
        'default_hooks.checkpoint.interval': 10, 'default_hooks.checkpoint.save_best': None,
        'val_cfg': None, 'val_dataloader': None, 'val_evaluator': None})
    configs = [load_config(str(ROOT / 'configs' / f'{name}.py'), options, str(tmp_path / run))
               for run in ('straight', 'resumed')]
    train(configs[0])
    train(configs[1], resume=str(tmp_path / 'straight' / 'iter_10.pth'))
    last = [tmp_path / run / 'iter_20.pth' for run in ('straight', 'resumed')]
    assert differences(*last) == {}
    assert not (tmp_path / 'resumed' / 'iter_10.pth').exists()  # it began after that
