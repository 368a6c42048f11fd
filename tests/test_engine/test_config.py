"""Settings on the command line: applied, or refused with the likely one."""

import pytest

from cdvd_mm.engine.config import load_config

CONFIG = """
data_root, max_iters = 'data/GOPRO', 100
train_dataloader = dict(batch_size=1, dataset=dict(type='GoProDataset', data_root=data_root))
val_dataloader = dict(dataset=dict(type='GoProDataset', data_root=data_root))
test_dataloader = [val_dataloader, dict(dataset=dict(type='DVDDataset', data_root='data/DVD'))]
train_cfg = dict(type='ResumableTrainLoop', max_iters=max_iters)
optim_wrapper = dict(optimizer=dict(type='Adam', lr=1e-4))
model = dict(type='CascadedRestorer', generator=dict(type='CDVDNet', num_stages=2))
env_cfg = dict(cudnn_benchmark=True)
param_scheduler = [dict(type='StepLR', step_size=3)]
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / 'config.py'
    path.write_text(CONFIG)
    return str(path)


@pytest.mark.parametrize('key, value', [
    ('train_dataloader.batch_size', 2), ('optim_wrapper.clip_grad.max_norm', 1.),
    ('param_scheduler.0.step_size', 5), ('model.train_cfg.fix_iter', 3), ('randomness.seed', 1),
    ('find_unused_parameters', True), ('resume', True), ('train_dataloader.dataset.repeat', 2),
    ('custom_hooks', []), ('optim_wrapper.paramwise_cfg.custom_keys.flow.lr_mult', 0.1)])
def test_settings_that_do_something(config, key, value):
    cfg = load_config(config, {key: value})
    for part in key.split('.'):
        cfg = cfg[int(part)] if part.isdigit() else cfg[part]
    assert cfg == value


@pytest.mark.parametrize('key, likely', [
    ('data_root', r'train_dataloader.dataset.data_root .*--data-root DIR sets all'),
    ('max_iters', 'train_cfg.max_iters'), ('max_iter', 'train_cfg.max_iters'),
    ('lr', 'optim_wrapper.optimizer.lr'), ('num_stages', 'model.generator.num_stages'),
    ('train_dataloder.batch_size', 'train_dataloader.batch_size'),
    ('train_dataloader.datset.data_root', 'train_dataloader.dataset.data_root'),
    ('modle.generator.num_stages', 'model.generator.num_stages'),
    ('env_cfg.cudnn_benchmrk', 'env_cfg.cudnn_benchmark')])
def test_settings_that_would_do_nothing(config, key, likely):
    with pytest.raises(ValueError, match=f'{key}: .*Did you mean .*{likely}'):
        load_config(config, {key: 'x'})


def test_an_unknown_setting_that_is_like_no_other(config):
    with pytest.raises(ValueError, match="'quux' is no setting"):
        load_config(config, {'quux.corge': 1})


def test_data_root_of_all_datasets(config):
    cfg = load_config(config, data_root='/data/here')
    datasets = [cfg.train_dataloader.dataset, cfg.val_dataloader.dataset,
                *(loader.dataset for loader in cfg.test_dataloader)]
    assert [dataset.data_root for dataset in datasets] == ['/data/here'] * 4


def test_data_root_where_there_is_none(tmp_path):
    (tmp_path / 'config.py').write_text('model = dict(type="X")\n')
    with pytest.raises(ValueError, match='no dataset with a data_root'):
        load_config(str(tmp_path / 'config.py'), data_root='x')


@pytest.mark.parametrize('text', [
    'model = ', 'model = nothing', 'model = 1 + "a"', 'raise KeyError', 'raise ValueError("x")',
    '_base_ = 3', 'raise StopIteration'])
def test_configs_that_cannot_be_read(tmp_path, text):
    path = tmp_path / 'config.py'
    path.write_text(text)
    with pytest.raises(ValueError, match='cannot read config .*config.py: '):
        load_config(str(path))
