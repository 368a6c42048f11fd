import pytest
import torch
from mmagic.structures import DataSample
from mmengine.optim import OptimWrapper
from torch import nn

from cdvd_mm.models.restorers import ClipRestorer
from cdvd_mm.registry import MODELS

PREPROCESSOR = dict(type='mmagic.DataPreprocessor', mean=[0, 0, 0], std=[255, 255, 255])
LOSSES = dict(pixel=dict(type='mmagic.CharbonnierLoss'),
              frequency=dict(type='cdvd_mm.FrequencyLoss', loss_weight=0.1))


class Middle(nn.Module):
    """Gives each frame's mean with its neighbours, and notes what it was given."""

    size_divisor = 4
    min_size = 8

    def __init__(self, context, min_frames=1):
        super().__init__()
        self.context, self.min_frames = context, max(min_frames, 2 * context + 1)
        self.gain = nn.Parameter(torch.ones(()))
        self.seen = []

    def forward(self, frames):
        self.seen.append(tuple(frames.shape))
        assert frames.shape[1] >= self.min_frames
        length = frames.shape[1] - 2 * self.context
        shifted = [frames[:, k:k + length] for k in range(2 * self.context + 1)]
        return self.gain * torch.stack(shifted).mean(0)


def build(context=1, min_frames=1, losses=LOSSES, **options):
    generator = dict(type=Middle, context=context, min_frames=min_frames)
    return ClipRestorer(generator, losses, data_preprocessor=PREPROCESSOR, **options)


def batch(blurred, sharp):
    metainfo = dict(img_channel_order='RGB', gt_channel_order='RGB', key='video/000001')
    return dict(inputs=[blurred], data_samples=[DataSample(gt_img=sharp, metainfo=metainfo)])


def video(length, size=(9, 11)):
    return torch.randint(0, 256, (length, 3, *size), dtype=torch.uint8)


def test_losses_compare_the_middle_frames():
    model, blurred, sharp = build(), video(5), video(5)
    losses = model(**model.data_preprocessor(batch(blurred, sharp), training=True), mode='loss')
    restored = (blurred[:3] / 255 + blurred[1:4] / 255 + blurred[2:] / 255) / 3
    difference = restored - sharp[1:4] / 255
    assert set(losses) == {'loss_pixel', 'loss_frequency'}
    assert losses['loss_pixel'].item() == pytest.approx(difference.abs().mean().item(), rel=1e-4)
    spectrum = torch.fft.fft2(difference.double())[..., :11 // 2 + 1].abs().mean().item()
    assert losses['loss_frequency'].item() == pytest.approx(0.1 * spectrum, rel=1e-4)


def test_step_moves_the_network():
    model = build()
    optimizer = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1))
    log = model.train_step(batch(video(4), video(4)), optimizer)
    assert model.generator.gain != 1
    assert log['loss'].item() == pytest.approx(
        log['loss_pixel'].item() + log['loss_frequency'].item())


@pytest.mark.parametrize('test_cfg, lengths', [
    (None, [9]), (dict(clip_length=4), [4, 4, 4, 4]), (dict(clip_length=6, overlap=4), [6, 6, 6])])
def test_whole_videos_clip_by_clip(test_cfg, lengths):
    """However it is cut: a network that sees one neighbour gives the same frames."""
    model, blurred = build(test_cfg=test_cfg).eval(), video(7)
    data = model.data_preprocessor(batch(blurred, blurred), training=False)
    with torch.no_grad():
        [result] = model(**data, mode='predict')
    mirrored = torch.cat((blurred[1:2], blurred, blurred[-2:-1])).float()
    expected = (mirrored[:-2] + mirrored[1:-1] + mirrored[2:]) / 3
    expected = expected.flip(1)  # MMagic hands out BGR
    torch.testing.assert_close(result.output.pred_img, expected, rtol=0, atol=1e-3)
    assert [shape[1] for shape in model.generator.seen] == lengths
    assert {shape[-2:] for shape in model.generator.seen} == {(12, 12)}


def test_centre_frame_of_a_window():
    model, blurred = build(context=0).eval(), video(5)
    data = model.data_preprocessor(batch(blurred, blurred[2]), training=False)
    [result] = model(**data, mode='predict')
    expected = blurred[2].flip(0).float()
    torch.testing.assert_close(result.output.pred_img, expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize('context, min_frames', [(2, 5), (0, 2)])
def test_videos_shorter_than_a_clip_must_be(context, min_frames):
    model = build(context=context, min_frames=min_frames)
    for length in (1, 2):
        frames = torch.full((1, length, 3, 8, 8), 0.5)
        with torch.no_grad():
            torch.testing.assert_close(model.restore_video(frames), frames)


def test_wrong_use():
    with pytest.raises(ValueError, match='is no clip network: expected size_divisor'):
        ClipRestorer(dict(type=nn.Identity), LOSSES)
    with pytest.raises(ValueError, match='losses is empty'):
        build(losses={})
    with pytest.raises(ValueError, match='overlap of at least 2'):
        build(test_cfg=dict(clip_length=2))
    with pytest.raises(ValueError, match='overlap of at least 2'):
        build(test_cfg=dict(clip_length=5, overlap=1))
    model = build()
    with pytest.raises(ValueError, match='a sharp frame for every blurred one'):
        model(**model.data_preprocessor(batch(video(5), video(4)), training=True), mode='loss')


def test_through_the_registry():
    generator = dict(type='cdvd_mm.DSTNetPlus', mid_channels=4, num_filter_blocks=1, num_blocks=1)
    model = MODELS.build(dict(type='cdvd_mm.ClipRestorer', generator=generator, losses=LOSSES,
                              channels_last=True, data_preprocessor=PREPROCESSOR))
    data = model.data_preprocessor(batch(video(2, (16, 18)), video(2, (16, 18))), training=True)
    sum(model(**data, mode='loss').values()).backward()
    missing = [k for k, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert not missing
