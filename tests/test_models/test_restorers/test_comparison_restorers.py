import pytest
import torch
from mmagic.structures import DataSample
from torch import nn

from cdvd_mm.registry import MODELS

PREPROCESSOR = {'type': 'mmagic.DataPreprocessor', 'mean': [0, 0, 0], 'std': [255, 255, 255]}
STFAN = {'type': 'cdvd_mm.STFANNet', 'mid_channels': 2, 'num_blocks': 1, 'kernel_size': 3}
EDVR = {'type': 'cdvd_mm.EDVRDeblurNet', 'mid_channels': 4, 'num_frames': 3, 'deform_groups': 2,
        'num_blocks_extraction': 1, 'num_blocks_reconstruction': 1, 'with_tsa': True}
BASICVSR_PP = {'type': 'mmagic.BasicVSRPlusPlusNet', 'mid_channels': 8, 'num_blocks': 1,
               'is_low_res_input': False}


def build(restorer, generator, loss='MSELoss', **options):
    return MODELS.build({
        'type': f'cdvd_mm.{restorer}', 'generator': generator,
        'pixel_loss': {'type': f'mmagic.{loss}'}, 'data_preprocessor': PREPROCESSOR, **options})


def batch(num_frames, size, gt_frames=None, n=1):
    """What the dataloader gives: frames (t, 3, h, w) uint8; gt_frames=0 is the centre frame."""
    samples = []
    for _ in range(n):
        shape = (num_frames, 3, *size) if gt_frames != 0 else (3, *size)
        gt = torch.randint(0, 256, shape, dtype=torch.uint8)
        metainfo = {'img_channel_order': 'RGB', 'gt_channel_order': 'RGB', 'key': 'video/000001'}
        samples.append(DataSample(gt_img=gt, metainfo=metainfo))
    inputs = [torch.randint(0, 256, (num_frames, 3, *size), dtype=torch.uint8) for _ in range(n)]
    return {'inputs': inputs, 'data_samples': samples}


def losses_of(model, data):
    return model(**model.data_preprocessor(data, training=True), mode='loss')


@pytest.mark.parametrize('restorer, generator, num_frames, size, options', [
    ('RecurrentRestorer', STFAN, 3, (8, 12), {}),
    ('EDVRDeblur', EDVR, 3, (16, 32), {'train_cfg': {'tsa_iter': 0}}),
    ('BasicVSRDeblur', BASICVSR_PP, 2, (256, 256), {'train_cfg': {'fix_iter': -1}}),
])
def test_training_reaches_every_parameter(restorer, generator, num_frames, size, options):
    model = build(restorer, generator, **options)
    losses = losses_of(model, batch(num_frames, size))
    sum(losses.values()).backward()
    missing = [k for k, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert not missing


@pytest.mark.parametrize('restorer, generator, num_frames, size', [
    ('RecurrentRestorer', STFAN, 2, (7, 10)),
    ('EDVRDeblur', EDVR, 3, (19, 21)),
    ('BasicVSRDeblur', BASICVSR_PP, 2, (20, 27)),
])
@pytest.mark.parametrize('whole_video', [True, False])
def test_any_size_is_padded_and_cropped_back(restorer, generator, num_frames, size, whole_video):
    options = {'train_cfg': {'tsa_iter': 0}} if restorer == 'EDVRDeblur' else {}
    if whole_video and restorer == 'EDVRDeblur':
        pytest.skip('EDVR restores centre frames')
    model = build(restorer, generator, **options).eval()
    with torch.no_grad():
        result, = model.test_step(batch(num_frames, size, None if whole_video else 0))
    expected = (num_frames, 3, *size) if whole_video else (3, *size)
    assert result.output.pred_img.shape == expected
    assert result.output.pred_img.min() >= 0 and result.output.pred_img.max() <= 255
    assert result.output.pred_img.max() > 1  # the range of the frames that came in


def test_padding_changes_nothing_where_none_is_needed():
    model = build('RecurrentRestorer', STFAN).eval()
    frames = torch.rand(1, 2, 3, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(model.forward_tensor(frames), model.generator(frames))


def test_basicvsr_pp_restores_a_single_frame():
    model = build('BasicVSRDeblur', BASICVSR_PP).eval()
    with torch.no_grad():
        assert model.forward_tensor(torch.rand(1, 1, 3, 9, 11)).shape == (1, 1, 3, 9, 11)


class TwiceTheDifference(nn.Module):
    """Stands in for MMagic's perceptual loss, which downloads VGG."""

    def forward(self, pred, target):
        assert pred.dim() == 4
        return 2 * (pred - target).abs().mean(), None


def test_perceptual_part_is_optional():
    if 'TwiceTheDifference' not in MODELS:
        MODELS.register_module(module=TwiceTheDifference)
    without = build('RecurrentRestorer', STFAN)
    assert set(losses_of(without, batch(2, (8, 8)))) == {'loss_pixel'}
    model = build('RecurrentRestorer', STFAN,
                  perceptual_loss={'type': 'cdvd_mm.TwiceTheDifference'})
    assert set(losses_of(model, batch(2, (8, 8)))) == {'loss_pixel', 'loss_perceptual'}


def test_recurrent_training_needs_all_sharp_frames():
    with pytest.raises(ValueError, match='a sharp frame for every blurred one'):
        losses_of(build('RecurrentRestorer', STFAN), batch(3, (8, 8), gt_frames=0))


def test_edvr_trains_fusion_alone_at_first():
    model = build('EDVRDeblur', EDVR, train_cfg={'tsa_iter': 1})
    data = batch(3, (16, 16))
    losses_of(model, data)
    trained = {k for k, p in model.generator.named_parameters() if p.requires_grad}
    assert trained and all('fusion' in k for k in trained)
    losses_of(model, data)
    assert all(p.requires_grad for p in model.generator.parameters())


def test_basicvsr_pp_has_its_published_size():
    """7.3 M parameters (Chan et al. 2022, table 1) for 64 channels, 7 blocks, x4."""
    with torch.device('meta'):
        network = MODELS.build({'type': 'mmagic.BasicVSRPlusPlusNet'})
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(7.3, abs=0.05)
