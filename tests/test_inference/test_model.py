"""init_model: device, strict loading, clear errors."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from cdvd_mm.compat.checkpoint import load_from_local
from cdvd_mm.inference.model import init_model, select_device

SMALL = {
    'model.generator.mid_channels': 4,
    'model.generator.num_blocks': 1,
    'model.generator.flow_estimator': None,
}
CONFIG = str(Path(__file__).resolve().parents[2] / 'configs/cdvd_gopro.py')
no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason='there is a GPU')


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / 'model.pth'
    torch.save(dict(state_dict=init_model(CONFIG, device='cpu', options=SMALL).state_dict()), path)
    return str(path)


def test_weights_are_loaded_and_the_model_is_ready(checkpoint, device):
    model = init_model(CONFIG, checkpoint, device=device, options=SMALL)
    saved = load_from_local(checkpoint)['state_dict']
    assert all(torch.equal(value.cpu(), saved[name]) for name, value in model.state_dict().items())
    assert not model.training
    frames = torch.rand(1, 5, 3, 16, 16, device=device)
    with torch.inference_mode():
        assert model(frames).shape == (1, 3, 16, 16)


def test_a_config_object_works_too_and_is_left_as_it_was(checkpoint):
    cfg = Config.fromfile(CONFIG)
    before = cfg.pretty_text
    init_model(cfg, checkpoint, device='cpu', options=SMALL)
    assert cfg.pretty_text == before


def test_weights_of_data_parallel_training(checkpoint, tmp_path):
    saved = load_from_local(checkpoint)['state_dict']
    wrapped = tmp_path / 'wrapped.pth'
    torch.save(dict(state_dict={f'module.{key}': value for key, value in saved.items()}), wrapped)
    init_model(CONFIG, str(wrapped), device='cpu', options=SMALL)


@pytest.mark.parametrize('config, options, counters', [
    ('basicvsr_pp/basicvsr-pp_gopro', {}, ['step_counter']),
    ('edvr/edvr-deblur_gopro', {}, []),
    ('cdvd_gopro', SMALL, []),
    ('cdvd_gopro', {**SMALL, 'model.stage_milestones': [3]}, ['num_steps']),
])
def test_a_training_counter_more_or_less_is_no_other_model(config, options, counters, tmp_path):
    """MMagic's BasicVSR++ among them: its restorer counts in a buffer, its EDVR does not."""
    config = str(Path(CONFIG).parent / f'{config}.py')
    options = {**options, 'model.generator.mid_channels': 8}
    if 'basicvsr' in config:
        options['model.generator.num_blocks'] = 1
        options['model.type'] = 'mmagic.BasicVSR'  # as MMagic saves it
    weights = init_model(config, device='cpu', options=options).state_dict()
    options.pop('model.type', None)
    assert [name for name in ('step_counter', 'num_steps') if name in weights] == counters
    without = {key: value for key, value in weights.items() if key not in counters}
    more = {**weights, 'step_counter': torch.tensor(7), 'num_steps': torch.tensor(7)}
    for name, state in (('same', weights), ('without', without), ('more', more)):
        path = tmp_path / f'{name}.pth'
        torch.save(dict(state_dict=state), path)
        loaded = init_model(config, str(path), device='cpu', options=options).state_dict()
        assert all(torch.equal(loaded[key], value) for key, value in without.items())
    torch.save(dict(state_dict={**more, 'generator.step_counter': torch.tensor(7)}), path)
    with pytest.raises(ValueError, match='1 left over: generator.step_counter'):
        init_model(config, str(path), device='cpu', options=options)


def test_checkpoint_of_another_model(checkpoint):
    with pytest.raises(ValueError, match='model.pth is not a checkpoint of this CascadedRestorer'
                       '.*missing: .*of another shape: .*model_converters'):
        init_model(CONFIG, checkpoint, device='cpu', options={**SMALL,
                                                              'model.generator.num_blocks': 2,
                                                              'model.generator.mid_channels': 8})


def test_checkpoint_without_weights(tmp_path):
    path = tmp_path / 'nothing.pth'
    torch.save(dict(state_dict={}), path)
    with pytest.raises(ValueError, match='nothing.pth holds no weights'):
        init_model(CONFIG, str(path), device='cpu', options=SMALL)


@no_gpu
@pytest.mark.parametrize('name', ['cuda', 'cuda:3'])
def test_gpu_that_is_not_there(name):
    with pytest.raises(ValueError, match=f"'{name}' is asked for, but .* finds 0 GPU"):
        select_device(name)
    with pytest.raises(ValueError, match='--device cpu'):
        init_model(CONFIG, device=name, options=SMALL)


def test_unknown_device():
    with pytest.raises(ValueError, match="unknown device 'gpu'"):
        select_device('gpu')


@no_gpu
def test_auto_falls_back_to_the_cpu():
    assert select_device().type == 'cpu'
