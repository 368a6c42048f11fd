"""Several processes (gloo) train what one does with accumulated gradients."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mmengine.hooks import Hook
from tiny_training import child_process, differences, tiny_config, train, wait

from cdvd_mm.compat.checkpoint import load_from_local
from cdvd_mm.engine.batches import StepSampler

HERE = Path(__file__).resolve().parent


def free_port() -> int:
    with socket.socket() as server:
        server.bind(('127.0.0.1', 0))
        return server.getsockname()[1]


def total_batch(max_iters, total):
    return dict(type='ResumableTrainLoop', max_iters=max_iters, val_interval=10**6,
                total_batch_size=total)


def train_in_processes(number, cfg, resume=None, prepare=None, seconds=90):
    """Train in forked processes, one thread each; return their exit codes."""
    port = free_port()

    def process(rank):
        os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(number),
                          MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port))
        train(cfg, resume=resume, launcher='pytorch', prepare=prepare)

    codes = []
    with child_process(lambda: process(0)) as first:
        others = [child_process(lambda rank=rank: process(rank)) for rank in range(1, number)]
        pids = [first, *(other.__enter__() for other in others)]
        codes = [wait(pid, seconds) for pid in pids]
        for other in others:
            other.__exit__(None, None, None)
    return codes


def largest(differences):
    return max(differences.values(), default=0.0)


class Interrupt(Hook):
    """Rank 1 gets a signal in step 9; both stop after step 10."""

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == 8 and os.environ['RANK'] == '1':
            os.kill(os.getpid(), signal.SIGTERM)


def test_accumulation_equals_processes_and_changes_on_resume(tiny_data, tmp_path):
    """A total batch of 2: one process with accumulation 2, two processes, and one after two.

    With random masks in the loss, a stage that switches on, clipping and EMA
    the weights after 10 steps of Adam are the same bit for bit, and so they
    are after 10 steps on two processes and 10 more on one.
    """
    def cfg(name):
        return tiny_config(tiny_data, tmp_path / name, batch_size=1, save_every=10,
                           train_cfg=total_batch(20, 2))

    train(cfg('one'))
    assert train_in_processes(2, cfg('two'), prepare=lambda runner: runner.register_hook(
        Interrupt())) == [143, 143]
    one, two = tmp_path / 'one' / 'iter_10.pth', tmp_path / 'two' / 'interrupted.pth'
    states = [load_from_local(path)['meta']['training'] for path in (one, two)]
    assert [state['accumulation'] for state in states] == [2, 1]
    assert [state['world_size'] for state in states] == [1, 2]
    assert largest(differences(one, two)) < 1e-6
    train(cfg('two'), resume='auto')  # on one process again
    one, two = (tmp_path / name / 'iter_20.pth' for name in ('one', 'two'))
    assert largest(differences(one, two)) < 1e-6


def test_micro_batches_are_shared_out():
    """8 samples a step are the same 8 on 1, 2, 4 and 8 processes; none twice in an epoch."""
    steps = []
    for world_size in (1, 2, 4, 8):
        samplers = [StepSampler(40, 1, 8 // world_size, num_steps=7, seed=1, rank=rank,
                                world_size=world_size) for rank in range(world_size)]
        steps.append([sorted(sum(parts, [])) for parts in zip(*samplers)])
    assert steps[0] == steps[1] == steps[2] == steps[3]
    assert [len(step) for step in steps[0]] == [8] * 7 and len(samplers[0]) == 5
    assert sorted(index for step in steps[0][:5] for index, _ in step) == list(range(40))
    assert sorted(number for step in steps[0] for _, number in step) == list(range(56))
    later = StepSampler(40, 1, 8, num_steps=7, seed=1)
    later.start = 6
    assert [sorted(step) for step in later] == steps[0][6:]


def test_a_dataset_smaller_than_a_step():
    sampler = StepSampler(3, 4, 2, num_steps=2, seed=0)
    assert len(sampler) == 1
    for step in sampler:
        assert {index for index, _ in step} == {0, 1, 2} and len(step) == 8


def test_total_batch_that_cannot_be_made(tiny_data, tmp_path):
    with pytest.raises(ValueError, match=r'a total batch of 8 .* 8 is no multiple of 3'):
        train(tiny_config(tiny_data, tmp_path, batch_size=3, train_cfg=total_batch(4, 8)))


def test_another_total_batch_on_resume(tiny_data, tmp_path):
    train(tiny_config(tiny_data, tmp_path, 4, save_every=2))
    other = tiny_config(tiny_data, tmp_path, 8, batch_size=1)
    with pytest.raises(ValueError, match=r'a total batch of 2 .* this run has a total batch of 1'):
        train(other, resume='auto')
    other.auto_scale_lr = dict(enable=True, base_batch_size=2)
    assert train(other, resume='auto').iter == 8


def test_a_process_that_dies_ends_the_others(tiny_data, tmp_path):
    """torchrun names it, ends the others within a minute and fails."""
    start = time.monotonic()
    result = subprocess.run(
        [sys.executable, '-m', 'torch.distributed.run', '--nproc_per_node=2',
         f'--master_port={free_port()}', str(HERE / 'dying_process.py'), str(tiny_data),
         str(tmp_path)],
        env=dict(os.environ, OMP_NUM_THREADS='1'), capture_output=True, text=True, timeout=150)
    died = float((tmp_path / 'died').read_text())
    assert result.returncode == 1
    assert time.time() - died < 60
    assert 'rank' in result.stderr and f'Signal {int(signal.SIGKILL)} (SIGKILL)' in result.stderr
    assert 'rank      : 1' in result.stderr
    assert not (tmp_path / 'finished').exists() and time.monotonic() - start < 150
