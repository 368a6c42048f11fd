"""What a training leaves to look at."""

import json
from pathlib import Path

import cv2
import pytest
import torch
from tiny_training import tiny_config, train, validation

from cdvd_mm.engine.hooks.monitor_hooks import psnr


def test_scalars_and_pictures(tiny_data, tmp_path):
    flow = dict(type='MMFlowEstimator')
    cfg = tiny_config(
        tiny_data, tmp_path, 4, batch_size=1, **validation(tiny_data),
        train_cfg=dict(type='ResumableTrainLoop', max_iters=3, val_interval=2,
                       total_batch_size=1),
        custom_hooks=[dict(type='TrainingMonitorHook'), dict(type='EMAHook', momentum=0.5),
                      dict(type='StageMonitorHook', interval=2, num_pictures=1)])
    cfg.model.update(stage_milestones=None)
    cfg.model.generator.update(flow_estimator=flow)
    cfg.val_dataloader.dataset.videos = ['video0']
    cfg.default_hooks.logger.interval = 2
    runner = train(cfg)
    [path] = tmp_path.rglob('scalars.json')
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    logged, validated = lines[0], lines[1]
    assert {'loss', 'loss_pixel_stage1', 'loss_pixel_stage2', 'loss_hem_stage1', 'loss_hem_stage2',
            'grad_norm', 'skipped', 'samples_per_s', 'flow_magnitude_stage1',
            'flow_magnitude_stage2', 'sharpness_stage1', 'sharpness_stage2', 'in_block.lr',
            'rest.lr'} <= logged.keys()
    parts = sum(value for name, value in logged.items() if name.startswith('loss_'))
    assert logged['loss'] == pytest.approx(parts, rel=1e-5)
    assert 0 < logged['sharpness_stage1'] <= 1 and logged['in_block.lr'] < logged['rest.lr']
    # the last stage's PSNR is that of the protocol
    assert validated['PSNR_stage2'] == pytest.approx(validated['PSNR'], abs=1e-4)
    assert validated['PSNR_stage1'] != validated['PSNR_stage2']
    [picture] = tmp_path.rglob('stages_*.png')  # of the first of two validations
    assert cv2.imread(str(picture)).shape == (24, 6 * 24, 3)
    assert not runner.model.keep_stages


def test_psnr_of_the_monitor():
    frame = torch.full((3, 17, 21), 100.)
    other = frame.clone()
    other[:, 4:12, 4:16] += 2.4  # rounds to 2
    assert psnr(other, frame) == pytest.approx(20 * torch.log10(torch.tensor(255 / 2.)).item())
    assert psnr(frame, frame) == float('inf')


def test_configs_name_hooks_that_exist():
    text = Path(__file__).resolve().parents[2].joinpath(
        'configs/_base_/default_runtime.py').read_text()
    for name in ('SafeCheckpointHook', 'InterruptHook', 'NonFiniteHook', 'TrainingMonitorHook',
                 'StageMonitorHook'):
        assert name in text
