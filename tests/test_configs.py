"""Every config builds, takes a training step and a test step."""

from pathlib import Path

import pytest
import torch
from mmagic.structures import DataSample
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope, init_default_scope

from cdvd_mm.registry import DATASETS, MODELS

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / 'configs').rglob('*.py')
                 if '_base_' not in path.parts)


def window(cfg, model, size: int, training: bool) -> dict:
    """A batch of one window as the config's data loader would give it."""
    pipeline_frames = cfg.train_dataloader.dataset.get('num_frames', cfg.get('num_frames', 5))
    if cfg.train_dataloader.dataset.get('mode') == 'video':
        # sequences may have any length that the network takes
        pipeline_frames = max(2, getattr(model.generator, 'min_frames', 2))
    frames = torch.randint(0, 256, (pipeline_frames, 3, size, size), dtype=torch.uint8)
    # other frames than the blurred ones: some networks start as the identity
    sharp = frames.flip(-1) if training else frames[pipeline_frames // 2]
    sample = DataSample(gt_img=sharp.float())
    sample.set_metainfo(dict(key='video/00000', video='video', img_channel_order='RGB',
                             gt_channel_order='RGB'))
    return dict(inputs=[frames], data_samples=[sample])


def test_there_are_configs():
    assert {'configs/cdvd_gopro.py', 'configs/cdvd_dvd.py', 'configs/cdvd_demo.py'} <= set(CONFIGS)


@pytest.mark.parametrize('path', CONFIGS)
def test_config_is_short_and_composed(path):
    """An entry point composes bases and stays readable."""
    lines = (ROOT / path).read_text().splitlines()
    assert len(lines) <= 40, f'{path} has {len(lines)} lines'


@pytest.mark.parametrize('path', [path for path in CONFIGS if 'pwcnet_small' not in path])
def test_config_trains_and_tests(path):
    cfg = Config.fromfile(str(ROOT / path))
    assert cfg.default_scope == 'cdvd_mm'
    size = 32 if cfg.model.generator.type == 'DSTNetPlus' else 64  # it takes more of them
    with DefaultScope.overwrite_default_scope('cdvd_mm'):
        init_default_scope('cdvd_mm')
        model = MODELS.build(cfg.model)
        cfg.optim_wrapper.pop('dtype', None)  # minutes on a processor that has no half precision
        wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
        before = {name: value.clone() for name, value in model.generator.named_parameters()}
        losses = model.train().train_step(window(cfg, model, size, training=True), wrapper)
        assert all(torch.isfinite(torch.as_tensor(value)).all() for value in losses.values())
        moved = [name for name, value in model.generator.named_parameters()
                 if not torch.equal(value, before[name])]
        assert moved, 'no parameter moved'
        outputs = model.eval().test_step(window(cfg, model, size, training=False))
    pred = outputs[0].output.pred_img
    assert pred.shape[-3:] == (3, size, size) and torch.isfinite(pred).all()


def test_the_flow_of_the_table_of_budgets_trains():
    cfg = Config.fromfile(str(ROOT / 'configs/budget/pwcnet_small.py'))
    cfg.train_dataloader.dataset.pictures = ['dead-leaves']
    with DefaultScope.overwrite_default_scope('cdvd_mm'):
        init_default_scope('cdvd_mm')
        model = MODELS.build(cfg.model)
        dataset = DATASETS.build(cfg.train_dataloader.dataset)
        wrapper = build_optim_wrapper(model, dict(cfg.optim_wrapper, dtype='float32'))
        before = [value.clone() for value in model.parameters()]
        losses = model.train().train_step(pseudo_collate([dataset[0], dataset[1]]), wrapper)
    assert torch.isfinite(losses['loss_flow']) and losses['flow_magnitude'] > 0
    assert any(not torch.equal(a, b) for a, b in zip(before, model.parameters()))


@pytest.mark.parametrize('name', ['gopro', 'dvd'])
def test_paper_settings(name):
    """The numbers of the paper, as the config states them."""
    cfg = Config.fromfile(str(ROOT / f'configs/cdvd_{name}.py'))
    assert cfg.train_dataloader.batch_size * 8 == 8  # 8 GPUs
    assert cfg.train_cfg.max_epochs == 500
    with DefaultScope.overwrite_default_scope('cdvd_mm'):
        init_default_scope('cdvd_mm')
        model = MODELS.build(cfg.model)
        groups = build_optim_wrapper(model, cfg.optim_wrapper).optimizer.param_groups
    assert sum(p.numel() for p in model.parameters()) == 16_187_045
    rates = {}
    for group in groups:
        rate = round(group['lr'], 9)
        rates[rate] = rates.get(rate, 0) + sum(p.numel() for p in group['params'])
    assert rates == {1e-4: 6_812_771, 1e-6: 9_374_274}


def test_dstnet_plus_settings():
    """8 GPUs x 2 clips of 15 frames of 256x256, AdamW 2e-4, 600,000 iterations of cosine."""
    cfg = Config.fromfile(str(ROOT / 'configs/dstnet_plus/dstnet-plus_gopro.py'))
    assert cfg.train_dataloader.batch_size * 8 == cfg.train_cfg.total_batch_size == 16
    assert cfg.train_dataloader.dataset.num_frames == 15
    assert cfg.train_dataloader.dataset.pipeline[0].crop_size == 256
    optimizer = cfg.optim_wrapper.optimizer
    assert (optimizer.type, optimizer.lr, optimizer.weight_decay) == ('AdamW', 2e-4, 1e-4)
    assert cfg.optim_wrapper.clip_grad.max_norm == 0.01
    assert cfg.train_cfg.max_iters == cfg.param_scheduler.T_max == 600_000
    assert cfg.param_scheduler.eta_min == 1e-7
    large = Config.fromfile(str(ROOT / 'configs/dstnet_plus/dstnet-plus-l_dvd.py'))
    for form, parameters in ((cfg, 3_903_811), (large, 14_088_675)):
        with DefaultScope.overwrite_default_scope('cdvd_mm'):
            init_default_scope('cdvd_mm')
            model = MODELS.build(form.model)
        assert sum(p.numel() for p in model.generator.parameters()) == parameters
        assert model.losses.pixel.eps == 1e-12 and model.losses.frequency.loss_weight == 0.1
    assert large.test_dataloader.dataset.type == 'DVDDataset'
    assert large.test_evaluator.metrics[0].protocol == 'dstnet'
