"""What a training leaves to look at."""

import json
import logging
import math
from pathlib import Path
from types import SimpleNamespace

import cv2
import pytest
import torch
from mmengine.logging import MMLogger
from tiny_training import tiny_config, train, validation

from cdvd_mm.engine.hooks import StageMonitorHook
from cdvd_mm.models.backbones import CDVDNet


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


def test_details_are_computed_on_steps_that_log_alone(tiny_data, tmp_path, monkeypatch):
    """Steps 3, 6 and the last one log; the others take the network's fast form."""
    cfg = tiny_config(tiny_data, tmp_path, max_iters=7, batch_size=1)
    cfg.model.stage_milestones = None
    cfg.default_hooks.logger.interval = 3
    taken = []

    def count(name, method):
        monkeypatch.setattr(CDVDNet, f'forward_{name}',
                            lambda *args: taken.append(name) or method(*args))

    count('details', CDVDNet.forward_details)
    count('stages', CDVDNet.forward_stages)
    train(cfg)
    assert taken == ['stages', 'stages', 'details', 'stages', 'stages', 'details', 'details']


def test_means_of_the_monitor_leave_out_what_equals_the_truth():
    frame = torch.full((3, 21, 25), 100.)
    off = frame.clone()
    off[:, :20, :24] += 2.4  # rounds to 2
    hook = StageMonitorHook(num_pictures=0)
    logged: dict = {}
    runner = SimpleNamespace(
        model=SimpleNamespace(generator=SimpleNamespace(num_stages=2)),
        message_hub=SimpleNamespace(update_scalar=logged.__setitem__))
    logger = MMLogger.get_instance('monitor')
    hook.before_val_epoch(runner)
    hook.after_val_iter(runner, 0, outputs=[
        SimpleNamespace(output=SimpleNamespace(stage_imgs=stages), gt_img=frame)
        for stages in ((off, frame), (frame, frame))])
    lines: list[str] = []
    logger.addHandler(handler := logging.Handler())
    handler.emit = lambda record: lines.append(record.getMessage())
    hook.after_val_epoch(runner)
    assert logged == {'val/PSNR_stage1': pytest.approx(20 * math.log10(255 / 2), rel=1e-6)}
    assert lines == [f'PSNR_stage{stage}: {number} frame(s) equal the truth and do not count'
                     for stage, number in ((1, 1), (2, 2))]
    with pytest.raises(ValueError, match="unknown protocol 'mine'"):
        StageMonitorHook(protocol='mine')


def test_configs_name_hooks_that_exist():
    text = Path(__file__).resolve().parents[2].joinpath(
        'configs/_base_/default_runtime.py').read_text()
    for name in ('SafeCheckpointHook', 'InterruptHook', 'NonFiniteHook', 'TrainingMonitorHook',
                 'StageMonitorHook'):
        assert name in text
