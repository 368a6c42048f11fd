"""The forms of a training step compute the same."""

import json
import os
import subprocess
import sys

import pytest
import torch
from mmengine.config import Config

from cdvd_mm.bench.options import TrainBenchmarkOptions
from cdvd_mm.bench.training import CASES, PARTS, Step, benchmark_train, make_batch, to_text
from cdvd_mm.registry import MODELS
from cdvd_mm.system import has_fast_bf16


def measure(cfg: Config, *cases: str, **options) -> dict:
    return benchmark_train(cfg, TrainBenchmarkOptions(cases=cases, device='cpu', **options))


def config(**generator: object) -> Config:
    return Config(dict(
        model=dict(
            type='CascadedRestorer',
            generator=dict(type='CDVDNet', mid_channels=4, num_blocks=1, **generator),
            pixel_loss=dict(type='L1Loss'),
            hard_example_loss=dict(type='HardExampleMiningLoss'),
            data_preprocessor=dict(type='DataPreprocessor', mean=[0.] * 3, std=[255.] * 3)),
        optim_wrapper=dict(
            type='GuardedOptimWrapper', optimizer=dict(type='Adam', lr=1e-4),
            paramwise_cfg=dict(custom_keys={'flow_estimator': dict(lr_mult=0.01)}))))


def test_all_cases_have_the_loss_of_the_plain_form():
    cfg = config(num_stages=1, num_frames=3)
    torch.manual_seed(0)
    model, batch = MODELS.build(cfg.model), make_batch(3, 1, 64)
    device, same = torch.device('cpu'), ('batched', 'fused', 'channels_last', 'checkpointing')
    names = ['plain', *same, *(['bf16'] if has_fast_bf16(device) else [])]
    losses = {name: float(Step(model, cfg, device, **CASES[name])(batch)) for name in names}
    for name in same:
        assert losses[name] == pytest.approx(losses['plain'], abs=1e-5)
    assert losses.get('bf16', losses['plain']) == pytest.approx(losses['plain'], abs=2e-2)


def test_report():
    report = measure(config(num_stages=1, num_frames=3), 'plain', size=64, rounds=1)
    case = report['cases']['plain']
    assert case['speedup'] == 1 and case['memory'] > 0
    assert case['parts'].pop('data') is None and set(case['parts']) == set(PARTS)


def test_several_processes(tmp_path, repo_root):
    """No process waits for another for ever, with a GPU or without."""
    path = tmp_path / 'small.py'
    path.write_text(config(num_stages=1, num_frames=3, flow_estimator=None).pretty_text)
    out = tmp_path / 'report.json'
    run = subprocess.run(
        [sys.executable, '-m', 'torch.distributed.run', '--nproc_per_node=2', '--standalone',
         str(repo_root / 'tools/analysis_tools/benchmark_train.py'), str(path), '--launcher',
         'pytorch', '--device', 'cpu', '--size', '32', '--rounds', '1', '--cases', 'plain',
         'batched', '--json', str(out)], capture_output=True, text=True, timeout=200,
        env={**os.environ, 'OMP_NUM_THREADS': '1', 'CUDA_VISIBLE_DEVICES': ''})
    assert run.returncode == 0, run.stderr
    cases = json.loads(out.read_text())['cases']
    assert set(cases) == {'plain', 'batched'}
    assert all(case['memory'] > 0 and case['parts']['synchronisation'] > 0
               for case in cases.values())


def test_wait_for_data(make_dataset):
    cfg = config(num_stages=1, num_frames=3)
    cfg.train_dataloader = dict(
        batch_size=8, num_workers=1, sampler=dict(type='DefaultSampler', shuffle=True),
        dataset=dict(type='GoProDataset', data_root='elsewhere', split='train', num_frames=3,
                     pipeline=[dict(type='LoadVideoFrames', crop_size=8),
                               dict(type='PackInputs', meta_keys=['key'])]))
    data = str(make_dataset(train={'a': 8}, size=(72, 80)))
    report = measure(cfg, 'batched', 'plain', size=64, rounds=1, data=data)
    for case in report['cases'].values():  # the second one trains on from where the first is
        assert 0 < case['parts']['data'] < 30
    wait = report['cases']['plain']['parts']['data']
    row = to_text(report).splitlines()[-1]
    assert row.startswith('| plain |') and row.split(' | ')[5] == f'{wait:.3f}'
    with pytest.raises(FileNotFoundError, match='nowhere'):
        measure(cfg, 'plain', data='nowhere')


def test_clear_refusals():
    with pytest.raises(ValueError, match=r"unknown case\(s\) \['magic'\]"):
        measure(config(), 'magic')
    cfg = config()
    cfg.model = dict(type='RecurrentRestorer', generator=dict(type='STFANNet', mid_channels=2),
                     pixel_loss=dict(type='MSELoss'))
    with pytest.raises(ValueError, match='STFANNet is no cascade'):
        measure(cfg, 'plain')


def test_batches_are_those_of_a_loader():
    batch = make_batch(5, 2, 32)
    assert [frames.shape for frames in batch['inputs']] == [(5, 3, 32, 32)] * 2
    assert batch['inputs'][0].dtype == torch.uint8
