"""CascadedRestorer: losses by stage, stages that switch on, padding."""

import pytest
import torch
from mmagic.structures import DataSample

from cdvd_mm.models.backbones import cdvd_net
from cdvd_mm.models.losses import HardExampleMiningLoss
from cdvd_mm.ops import triple_input
from cdvd_mm.registry import MODELS


def restorer(**options):
    cfg = dict(
        type='CascadedRestorer',
        generator=dict(type='CDVDNet', mid_channels=4, num_blocks=1, flow_estimator=None),
        pixel_loss=dict(type='L1Loss', reduction='mean'),
        hard_example_loss=dict(type='HardExampleMiningLoss'),
        data_preprocessor=dict(type='DataPreprocessor', mean=[0.] * 3, std=[255.] * 3))
    cfg.update(options)
    return MODELS.build(cfg)


def batch(n=2, t=5, size=(16, 24), seed=0):
    generator = torch.Generator().manual_seed(seed)

    def draw():
        return torch.randint(0, 256, (t, 3, *size), generator=generator, dtype=torch.uint8)

    samples = []
    for _ in range(n):
        sample = DataSample(gt_img=draw().float())
        sample.set_metainfo(dict(key='video/00000', img_channel_order='RGB',
                                 gt_channel_order='RGB'))
        samples.append(sample)
    return dict(inputs=[draw() for _ in range(n)], data_samples=samples)


def test_shares_add_up_to_the_loss_of_the_concatenation(device):
    model = restorer(hard_example_loss=dict(type='HardExampleMiningLoss', random_fraction=0.))
    model = model.to(device)
    data = model.data_preprocessor(batch(), training=True)
    logged = model(data['inputs'], data['data_samples'], mode='loss')
    assert {'sharpness_stage1', 'sharpness_stage2'} < set(logged)
    losses = {name: value for name, value in logged.items() if 'loss' in name}
    assert set(losses) == {'loss_pixel_stage1', 'loss_pixel_stage2', 'loss_hem_stage1',
                           'loss_hem_stage2'}
    stages = model.generator.forward_stages(data['inputs'])
    sharp = data['data_samples'].gt_img
    pred = torch.cat([stage.flatten(1, 2) for stage in stages], 1)
    target = torch.cat([sharp[:, 1:4].flatten(1, 2), sharp[:, 2:3].flatten(1, 2)], 1)
    assert pred.shape[1] == 12 and 0 <= sharp.min() and sharp.max() <= 1
    hem = HardExampleMiningLoss(random_fraction=0.)(pred, target)
    l1 = (pred - target).abs().mean()
    torch.testing.assert_close(sum(losses.values()), l1 + hem)
    torch.testing.assert_close(losses['loss_pixel_stage2'], (pred[:, 9:] - target[:, 9:]).abs()
                               .mean() / 4)


def test_stage_weights_scale_the_shares():
    torch.manual_seed(0)
    plain = restorer()
    weighted = restorer(stage_weights=[0.25, 3.])
    weighted.load_state_dict(plain.state_dict())
    data = plain.data_preprocessor(batch(), training=True)
    expected = plain(**data, mode='loss')
    torch.manual_seed(1)
    expected = plain(**data, mode='loss')
    torch.manual_seed(1)
    losses = weighted(**data, mode='loss')
    for name, value in losses.items():
        if not name.startswith('loss'):
            continue
        torch.testing.assert_close(value, expected[name] * (0.25 if 'stage1' in name else 3.))


def test_stages_switch_on_and_the_count_survives_a_checkpoint():
    model = restorer(stage_milestones=[2])
    data = model.data_preprocessor(batch(), training=True)

    def stages(model):
        return sum('pixel' in name for name in model(**data, mode='loss'))

    assert [stages(model) for _ in range(3)] == [1, 1, 2]
    resumed = restorer(stage_milestones=[2])
    assert stages(resumed) == 1
    resumed.load_state_dict(model.state_dict())
    assert stages(resumed) == 2 and resumed.num_steps.item() == 4
    # testing runs all stages, whatever training has reached
    assert restorer(stage_milestones=[9]).eval()(data['inputs']).shape == (2, 3, 16, 24)


@pytest.mark.parametrize('size', [(16, 24), (17, 26), (3, 5), (1, 1)])
def test_any_size_is_padded_and_cropped_back(size):
    model = restorer().eval()
    outputs = model.test_step(batch(n=1, size=size))
    assert len(outputs) == 1
    assert outputs[0].output.pred_img.shape == (3, *size)
    assert outputs[0].input.shape == (3, *size)  # the centre frame alone
    assert 0 <= outputs[0].output.pred_img.min() and outputs[0].output.pred_img.max() <= 255


def test_whole_videos_are_restored_frame_by_frame():
    """As a stream, and equal to window by window where a window fits."""
    model = restorer().eval()
    data = batch(n=1, t=7, size=(17, 26))
    frames = data['inputs'][0] / 255
    data['data_samples'][0].set_metainfo(dict(frame_indices=list(range(7))))
    pred = model.test_step(data)[0].output.pred_img
    assert pred.shape == (7, 3, 17, 26)
    for centre in range(2, 5):
        with torch.no_grad():
            window = model(frames[None, centre - 2:centre + 3])[0]
        expected = window.flip(0).clamp(0, 1) * 255  # handed out as BGR
        torch.testing.assert_close(pred[centre], expected, rtol=0, atol=1e-3)


def test_padding_does_not_change_what_needs_none():
    model = restorer().eval()
    frames = torch.rand(1, 5, 3, 16, 24)
    with torch.no_grad():
        torch.testing.assert_close(model(frames), model.generator(frames), rtol=0, atol=0)


def test_released_model_has_no_extra_state():
    assert all(key.startswith('generator.') for key in restorer().state_dict())


@pytest.mark.parametrize('options, message', [
    (dict(stage_weights=[1.]), 'stage_weights has 1 entries.*2 stage'),
    (dict(stage_milestones=[1, 2]), 'one entry for each stage after the first, 1 for'),
    (dict(stage_milestones=[-1]), 'nor be negative'),
])
def test_wrong_stage_options(options, message):
    with pytest.raises(ValueError, match=message):
        restorer(**options)


def test_sharp_frames_that_do_not_fit():
    model = restorer()
    data = batch()
    for sample in data['data_samples']:
        sample.set_data(dict(gt_img=sample.gt_img[2]))
    data = model.data_preprocessor(data, training=True)
    with pytest.raises(ValueError, match='a sharp frame for every blurred one'):
        model(**data, mode='loss')


def test_steps_that_do_not_log_take_the_fused_op(monkeypatch):
    """One op a stage, with the gradients of the detailed form; steps that log show more."""
    torch.manual_seed(0)
    model = restorer(generator=dict(type='CDVDNet', mid_channels=4, num_blocks=1))
    model.generator.flow_estimator.estimator.init_weights()
    calls = []

    def counted(*args):
        calls.append(len(args[0]))
        return triple_input(*args)

    monkeypatch.setattr(cdvd_net, 'triple_input', counted)
    monkeypatch.setattr(cdvd_net.CDVDNet, '_is_fused', lambda self, frames: True)
    data = model.data_preprocessor(batch(n=1), training=True)
    results = []
    for logs in (True, False):
        torch.manual_seed(1)
        model.zero_grad()
        model.set_training_step(0, logs=logs)
        logged = model(**data, mode='loss')
        model.parse_losses(logged)[0].backward()
        results.append(({name: value.detach() for name, value in logged.items()},
                        {name: p.grad.clone() for name, p in model.named_parameters()}))
        assert calls == ([] if logs else [3, 1])  # triples of the first and the second stage
    (detailed, expected), (fused, gradients) = results
    assert set(detailed) - set(fused) == {'flow_magnitude_stage1', 'flow_magnitude_stage2',
                                          'sharpness_stage1', 'sharpness_stage2'}
    for name, value in fused.items():
        torch.testing.assert_close(value, detailed[name])
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, expected[name], rtol=1e-3, atol=1e-5)


def test_a_network_that_is_no_cascade():
    with pytest.raises(ValueError, match='takes a cascade.*not a STFANNet'):
        restorer(generator=dict(type='STFANNet', mid_channels=2, num_blocks=1))
