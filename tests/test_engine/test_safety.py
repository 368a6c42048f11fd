"""What goes wrong in a training is noticed, named, and costs no weights."""

import copy
import json
import multiprocessing
import os
import shutil
import signal
from unittest import mock

import pytest
import torch
from mmengine.hooks import Hook, LoggerHook
from mmengine.optim import build_optim_wrapper
from tiny_training import differences, tiny_config, train, validation
from torch import nn

from cdvd_mm import files
from cdvd_mm.compat.checkpoint import load_from_local
from cdvd_mm.engine.checkpoints import find_latest_checkpoint
from cdvd_mm.engine.hooks import ActivationCheckpointingHook
from cdvd_mm.engine.hooks.network_hooks import checkpoint_modules
from cdvd_mm.engine.loop import TrainingStopped
from cdvd_mm.registry import MODELS


class Poison(Hook):
    """Puts NaN into the sharp frames of some steps."""

    priority = 'VERY_HIGH'

    def __init__(self, steps):
        self.steps, self.keys, self.weights = steps, {}, {}

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.weights[runner.iter] = [param.clone() for param in runner.model.parameters()]
        if runner.iter in self.steps:
            samples = data_batch[0]['data_samples']
            self.keys[runner.iter] = [sample.key for sample in samples]
            for sample in samples:
                sample.set_tensor_data(dict(gt_img=torch.full_like(
                    sample.gt_img, float('nan'), dtype=torch.float32)))


def same(first, second):
    return all(torch.equal(a, b) for a, b in zip(first, second))


def test_one_bad_batch_is_skipped(tiny_data, tmp_path):
    poison = Poison([4])
    runner = train(tiny_config(tiny_data, tmp_path, 8),
                   prepare=lambda runner: runner.register_hook(poison))
    assert same(poison.weights[4], poison.weights[5])
    assert not same(poison.weights[5], poison.weights[6])
    assert all(torch.isfinite(param).all() for param in runner.model.parameters())
    [record] = [json.loads(line)
                for line in (tmp_path / 'nonfinite_steps.jsonl').read_text().splitlines()]
    assert record['step'] == 5 and record['samples'] == poison.keys[4]
    assert record['values']['loss'] == 'nan'


def test_many_bad_batches_end_the_training(tiny_data, tmp_path):
    poison = Poison(range(4, 20))
    with pytest.raises(TrainingStopped, match=r'3 steps in a row .*stopped.pth') as stopped:
        train(tiny_config(tiny_data, tmp_path),
              prepare=lambda runner: runner.register_hook(poison))
    assert poison.keys[6][0] in str(stopped.value) and 7 not in poison.weights
    good = load_from_local(tmp_path / 'stopped.pth')['ema_state_dict']
    names = [name for name in good if name.startswith('module.generator.')]
    assert same(poison.weights[4], [good[name] for name in names])  # swapped with the EMA weights
    assert find_latest_checkpoint(tmp_path) == str(tmp_path / 'stopped.pth')


def test_full_disk_at_a_checkpoint(tiny_data, undisturbed, tmp_path):
    """The third checkpoint of four does not fit; the training goes on and ends as ever."""
    real, calls = os.fsync, []

    def fsync(number):
        calls.append(number)
        if len(calls) == 9:  # every checkpoint and every pointer: file and folder
            raise OSError(28, 'No space left on device')
        real(number)

    seen = {}

    class Look(Hook):

        def before_train_iter(self, runner, batch_idx, data_batch=None):
            seen[runner.iter] = find_latest_checkpoint(runner.work_dir)

    with mock.patch.object(files.os, 'fsync', fsync):
        train(tiny_config(tiny_data, tmp_path),
              prepare=lambda runner: runner.register_hook(Look()))
    assert seen[6].endswith('iter_5.pth')
    names = [os.path.basename(seen[step]) for step in (9, 11, 16)]
    assert names == ['iter_5.pth', 'iter_10.pth', 'iter_10.pth']  # 15 is the one that failed
    assert not list(tmp_path.glob('.*.partial'))
    assert sorted(path.name for path in tmp_path.glob('*.pth')) == ['iter_10.pth', 'iter_20.pth']
    assert differences(undisturbed, tmp_path / 'iter_20.pth') == {}


def test_disk_that_stays_full_ends_the_training(tiny_data, tmp_path):
    error = OSError(28, 'No space left on device')
    with mock.patch.object(files.os, 'fsync', side_effect=error):
        with pytest.raises(TrainingStopped, match='could not write .*iter_15.pth: No space left'):
            train(tiny_config(tiny_data, tmp_path))


def test_data_worker_that_dies_is_replaced(tiny_data, undisturbed, tmp_path):
    killed = []

    class KillWorker(Hook):

        def before_train_iter(self, runner, batch_idx, data_batch=None):
            if runner.iter == 6:
                for child in multiprocessing.active_children():
                    os.kill(child.pid, signal.SIGKILL)
                    killed.append(child.pid)

    train(tiny_config(tiny_data, tmp_path, num_workers=1),
          prepare=lambda runner: runner.register_hook(KillWorker()))
    assert killed
    assert differences(undisturbed, tmp_path / 'iter_20.pth') == {}


def test_unreachable_validation_folder(tiny_data, tmp_path):
    """At the start it is refused; later it ends the training, and resuming validates again."""
    root = tmp_path / 'data'
    shutil.copytree(tiny_data, root)
    work_dir = tmp_path / 'work'
    make = dict(train_cfg=dict(type='ResumableTrainLoop', max_iters=8, val_interval=4),
                save_every=4)
    with pytest.raises(FileNotFoundError, match='nowhere'):
        train(tiny_config(root, work_dir, **make, **validation(tmp_path / 'nowhere')))

    class Unreachable(Hook):

        def before_val_epoch(self, runner):
            shutil.move(root / 'test', root / 'away')

    cfg = tiny_config(root, work_dir, **make, **validation(root))
    with pytest.raises(TrainingStopped, match=r'validation after step 4 failed: .*--resume auto'):
        train(cfg, prepare=lambda runner: runner.register_hook(Unreachable()))
    shutil.move(root / 'away', root / 'test')
    runner = train(tiny_config(root, work_dir, **make, **validation(root)), resume='auto')
    assert runner.iter == 8
    assert len(runner.message_hub.get_scalar('val/PSNR').data[0]) == 2  # after 4 and after 8


def test_a_mistake_in_the_validation_is_no_dead_worker(tiny_data, tmp_path):
    """Whatever its text says: errors are told apart by what they are."""

    class Mistake(Hook):

        def before_val_epoch(self, runner):
            raise RuntimeError('DataLoader worker (pid 1) exited unexpectedly')

    cfg = tiny_config(tiny_data, tmp_path, train_cfg=dict(
        type='ResumableTrainLoop', max_iters=2, val_interval=1), **validation(tiny_data))
    with pytest.raises(RuntimeError) as error:
        train(cfg, prepare=lambda runner: runner.register_hook(Mistake()))
    assert not isinstance(error.value, TrainingStopped)


def test_a_worker_that_dies_in_the_validation(tiny_data, tmp_path):

    class KillWorkers(Hook):

        def before_val_iter(self, runner, batch_idx, data_batch=None):
            for child in multiprocessing.active_children():
                os.kill(child.pid, signal.SIGSTOP)  # it delivers nothing more
                os.kill(child.pid, signal.SIGKILL)

    more = validation(tiny_data)
    more['val_dataloader'].update(num_workers=1, prefetch_factor=1)
    cfg = tiny_config(tiny_data, tmp_path, num_workers=1, train_cfg=dict(
        type='ResumableTrainLoop', max_iters=2, val_interval=1), **more)
    with pytest.raises(TrainingStopped, match='validation after step 1 failed'):
        train(cfg, prepare=lambda runner: runner.register_hook(KillWorkers()))


def test_the_loop_knows_loggers_by_type(tiny_data, tmp_path):

    class OwnLogger(LoggerHook):
        pass

    intervals = []

    def prepare(runner):
        runner.register_hook(OwnLogger(interval=3))
        runner.register_hook(Poison([]))
        real = runner.build_train_loop

        def build_loop(cfg):
            loop = real(cfg)
            intervals.append(loop._flush_interval())
            return loop

        runner.build_train_loop = build_loop

    train(tiny_config(tiny_data, tmp_path, 1), prepare=prepare)
    assert intervals == [3]


def build(optim_wrapper, fused=False, **generator):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = MODELS.build(dict(
            type='CascadedRestorer',
            generator=dict(type='CDVDNet', mid_channels=4, num_blocks=1,
                           **dict(dict(flow_estimator=None), **generator)),
            pixel_loss=dict(type='L1Loss')))
    return model, build_optim_wrapper(model, dict(
        type='GuardedOptimWrapper', constructor='GroupedOptimWrapperConstructor',
        optimizer=dict(type='Adam', lr=1e-3, fused=fused), **optim_wrapper))


def test_parameters_with_the_same_settings_share_a_group():
    model, wrapper = build(dict(paramwise_cfg=dict(custom_keys={
        'in_block': dict(lr_mult=0.1), 'out_block': dict(lr_mult=2.0)})))
    groups = {group['name']: group for group in wrapper.optimizer.param_groups}
    assert {name: round(group['lr'], 9) for name, group in groups.items()} == {
        'in_block': 1e-4, 'rest': 1e-3, 'out_block': 2e-3}
    assert sum(len(group['params']) for group in groups.values()) == len(list(model.parameters()))


def test_gradients_are_clipped_and_their_norm_is_kept():
    model, wrapper = build(dict(clip_grad=dict(max_norm=0.1)))
    wrapper.optimizer.step = mock.Mock()
    wrapper.update_params(sum(100 * param.sum() for param in model.parameters()))
    number = sum(param.numel() for param in model.parameters())
    assert float(wrapper.last_step['grad_norm']) == pytest.approx(100 * number**0.5, rel=1e-4)
    wrapper.backward(sum(100 * param.sum() for param in model.parameters()))
    wrapper.step()
    norm = torch.stack([param.grad.norm() for param in model.parameters()]).norm()
    assert float(norm) == pytest.approx(0.1, rel=1e-3)


@pytest.mark.parametrize('fused', [False, True])
@pytest.mark.parametrize('bad', ['inf', 'nan'])
def test_a_loss_that_is_not_finite_makes_all_gradients_so(bad, fused):
    """Even where the gradient itself is finite: processes must agree on skipping.

    A fused optimiser skips by itself, and its moments stay what they were.
    """
    model, wrapper = build({}, fused=fused)
    wrapper.update_params(sum(param.sum() for param in model.parameters()))
    state = copy.deepcopy(wrapper.optimizer.state_dict()['state'])
    before = [param.clone() for param in model.parameters()]
    loss = sum(param.sum() for param in model.parameters()) + float(bad)
    wrapper.backward(loss)
    assert all(torch.isnan(param.grad).all() for param in model.parameters())
    wrapper.step()
    assert float(wrapper.last_step['skipped']) == 1 and same(before, model.parameters())
    for number, values in wrapper.optimizer.state_dict()['state'].items():
        assert all(torch.equal(value, state[number][name]) for name, value in values.items())
    wrapper.zero_grad()
    wrapper.update_params(sum(param.sum() for param in model.parameters()))
    assert float(wrapper.last_step['skipped']) == 0 and not same(before, model.parameters())


def test_unknown_precision_is_refused():
    with pytest.raises(ValueError, match="dtype must be one of .* not 'half'"):
        build(dict(dtype='half'))


def test_frozen_for_the_first_steps(tiny_data, tmp_path):
    freeze = dict(type='FreezeHook', names=['encoder2'], num_iters=3)
    poison = Poison([])
    train(tiny_config(tiny_data, tmp_path, 5, custom_hooks=[freeze]),
          prepare=lambda runner: runner.register_hook(poison))

    def moved(step):
        names = [name for name, _ in model.named_parameters()]
        pairs = zip(names, poison.weights[step], poison.weights[step + 1])
        return {'encoder2' in name for name, a, b in pairs if not torch.equal(a, b)}

    model = build({})[0]
    assert moved(2) == {False} and moved(3) == {False, True}
    with pytest.raises(ValueError, match="no parameter of the model has one of \\['nothing'\\]"):
        train(tiny_config(tiny_data, tmp_path, 5, custom_hooks=[
            dict(type='FreezeHook', names=['nothing'])]))


def test_activation_checkpointing_changes_nothing_but_memory():
    flow = dict(type='MMFlowEstimator')
    clip, sharp = torch.rand(1, 5, 3, 64, 64), torch.rand(1, 3, 64, 64)
    gradients, kept = [], []
    for recompute in (False, True):
        model = build({}, flow_estimator=flow)[0]
        if recompute:
            assert len(checkpoint_modules(model, ActivationCheckpointingHook.DEFAULT)) == 13
        sizes = {}

        def pack(tensor, sizes=sizes):
            sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            loss = (model.generator(clip) - sharp).abs().mean()
        kept.append(sum(sizes.values()))
        loss.backward()
        gradients.append([param.grad for param in model.parameters()])
    for first, second in zip(*gradients):
        torch.testing.assert_close(first, second, rtol=1e-5, atol=1e-7)
    assert kept[1] < 0.6 * kept[0]
    with pytest.raises(ValueError, match='the model has none of the parts'):
        checkpoint_modules(nn.Linear(1, 1), ['generator'])


def test_compiled_part_trains(tiny_data, undisturbed, tmp_path):
    """With the backend that only traces; names of weights stay."""
    hook = dict(type='CompileHook', backend='eager')
    train(tiny_config(tiny_data, tmp_path, 2, custom_hooks=[hook]))
    names = load_from_local(tmp_path / 'iter_2.pth')['state_dict'].keys()
    assert names == load_from_local(undisturbed)['state_dict'].keys()
