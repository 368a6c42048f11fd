"""The forms of a training step compute the same."""

import pytest
import torch
from mmengine.config import Config

from cdvd_mm.bench.training import (
    CASES,
    PARTS,
    Step,
    benchmark_train,
    has_fast_bf16,
    make_batch,
    to_text,
)
from cdvd_mm.registry import MODELS


def config(**generator) -> Config:
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
    report = benchmark_train(config(num_stages=1, num_frames=3), ['plain'], size=64, rounds=1,
                             device='cpu')
    case = report['cases']['plain']
    assert case['speedup'] == 1 and case['memory'] > 0
    assert case['parts'].pop('data') is None and set(case['parts']) == set(PARTS)


def test_wait_for_data(make_dataset):
    cfg = config(num_stages=1, num_frames=3)
    cfg.train_dataloader = dict(
        batch_size=8, num_workers=1, sampler=dict(type='DefaultSampler', shuffle=True),
        dataset=dict(type='GoProDataset', data_root='elsewhere', split='train', num_frames=3,
                     pipeline=[dict(type='LoadVideoFrames', crop_size=8),
                               dict(type='PackInputs', meta_keys=['key'])]))
    data = str(make_dataset(train={'a': 8}, size=(72, 80)))
    report = benchmark_train(cfg, ['plain'], size=64, rounds=1, device='cpu', data_root=data)
    wait = report['cases']['plain']['parts']['data']
    assert 0 < wait < 30
    row = to_text(report).splitlines()[-1]
    assert row.startswith('| plain |') and row.split(' | ')[5] == f'{wait:.3f}'
    with pytest.raises(FileNotFoundError, match='nowhere'):
        benchmark_train(cfg, ['plain'], device='cpu', data_root='nowhere')


def test_clear_refusals():
    with pytest.raises(ValueError, match=r"unknown case\(s\) \['magic'\]"):
        benchmark_train(config(), ['magic'], device='cpu')
    with pytest.raises(ValueError, match='flow_estimator=None'):
        benchmark_train(config(flow_estimator=None), ['plain'], device='cpu')


def test_batches_are_those_of_a_loader():
    batch = make_batch(5, 2, 32)
    assert [frames.shape for frames in batch['inputs']] == [(5, 3, 32, 32)] * 2
    assert batch['inputs'][0].dtype == torch.uint8
