"""Clip networks behind the restorer of pictures: lengths, memory, tiles."""

import numpy as np
import pytest
import torch
from torch import nn

from cdvd_mm.inference.clips import ClipRule
from cdvd_mm.inference.frame_restorer import FrameRestorer, to_array
from cdvd_mm.inference.precision import OutOfMemoryError
from cdvd_mm.models.backbones import CDVDNet, DSTNetPlus, ESTRNNNet
from cdvd_mm.models.restorers import ClipRestorer
from cdvd_mm.models.streaming import StreamingClips, StreamingDelayed


class Mean(nn.Module):
    """Every frame's mean with its neighbours in the clip; runs out of memory on demand."""

    size_divisor = min_size = min_frames = 1
    context = 0

    def __init__(self, limit=1 << 40):
        super().__init__()
        self.limit, self.clips, self.failures = limit, [], 0

    def forward(self, frames):
        if frames.numel() > self.limit:
            self.failures += 1
            raise OutOfMemoryError('CUDA out of memory. Tried to allocate 2 GiB')
        self.clips.append(tuple(frames.shape))
        before = torch.cat((frames[:, :1], frames[:, :-1]), dim=1)
        after = torch.cat((frames[:, 1:], frames[:, -1:]), dim=1)
        return (before + frames + after) / 3


def video(length, size=(24, 40)):
    return list(np.random.default_rng(0).integers(0, 256, (length, *size, 3), dtype=np.uint8))


def restored(restorer, images):
    frames = [frame for image in images for frame in restorer.push(image)] + restorer.flush()
    return np.stack([to_array(frame) for frame in frames]).astype(float)


def expected(images):
    frames = np.stack(images).astype(float)
    padded = np.concatenate((frames[:1], frames, frames[-1:]))
    return np.round((padded[:-2] + padded[1:-1] + padded[2:]) / 3)


def test_pictures_in_clips():
    """Whatever the cut, a frame has its neighbours where the overlap is two or more."""
    network, images = Mean(), video(23)
    restorer = FrameRestorer(network, clip_length=7, clip_overlap=2)
    assert restorer.context == 1
    for _ in range(2):  # the next scene begins anew
        np.testing.assert_allclose(restored(restorer, images), expected(images), atol=1)
    assert {shape[1] for shape in network.clips} == {7}
    np.testing.assert_allclose(restored(restorer, images[:3]), expected(images[:3]), atol=1)


def test_in_tiles():
    network, images = Mean(), video(9, (150, 130))
    restorer = FrameRestorer(network, tile=96, overlap=20, clip_length=5, clip_overlap=2)
    np.testing.assert_allclose(restored(restorer, images), expected(images), atol=1)
    assert {shape[1:] for shape in network.clips} == {(5, 3, 96, 96)}


@pytest.mark.parametrize('fails_at', [7, 12, 22, 'flush'])
@pytest.mark.parametrize('overlap', [2, 5])
def test_smaller_tiles_where_memory_runs_out(fails_at, overlap):
    """Nothing is lost or doubled, wherever it happens."""
    network, images = Mean(), video(24, (256, 16))
    restorer = FrameRestorer(network, tile=None, overlap=40, clip_length=7, clip_overlap=overlap)
    frames = []
    for number, image in enumerate(images, 1):
        if number == fails_at:
            network.limit = 7 * 3 * 128 * 16
        frames += restorer.push(image)
    if fails_at == 'flush':
        network.limit = 7 * 3 * 128 * 16
    frames += restorer.flush()
    assert len(frames) == 24 and network.failures == 1
    found = np.stack([to_array(frame) for frame in frames]).astype(float)
    np.testing.assert_allclose(found, expected(images), atol=1)


def test_lengths():
    """Asked for, configured, by memory; the whole video; frame by frame."""
    network = Mean()
    assert ClipRule(network).choose(720, 1280, 1e12) == 32
    assert ClipRule(network, usual=10).choose(720, 1280, 1e12) == 10
    assert ClipRule(network, 50, usual=10).choose(720, 1280, 1e6) == 50
    assert ClipRule(network, None).choose(720, 1280, 1e6) is None
    assert ClipRule(network).choose(720, 1280, 1e6) == 16  # the rest is a matter of tiles
    rule = ClipRule(network)
    between = rule.choose(720, 1280, 720 * 1280 * rule.bytes_per_pixel(20) / 0.7 + 1)
    assert between == 20
    assert [rule.overlap_of(length) for length in (8, 32, 100, None)] == [2, 8, 8, 8]
    estrnn = ESTRNNNet(mid_channels=2, num_blocks=1)
    assert isinstance(ClipRule(estrnn).make(None), StreamingDelayed)
    assert isinstance(ClipRule(estrnn, usual=20).make(20), StreamingClips)
    assert ClipRule(estrnn, usual=20).overlap_of(20) == 5


@pytest.mark.parametrize('options, message', [
    (dict(length='long'), "unknown clip length 'long'"),
    (dict(length=8, overlap=8), 'clips of 8 frames that overlap by 8 do not fit')])
def test_wrong_clips(options, message):
    with pytest.raises(ValueError, match=message):
        ClipRule(Mean(), **options)


def test_clips_of_a_network_that_takes_none():
    network = CDVDNet(3, 1, mid_channels=4, num_blocks=1, flow_estimator=None)
    with pytest.raises(ValueError, match='CDVDNet restores frame by frame'):
        FrameRestorer(network, clip_length=8)


@pytest.mark.parametrize('precision', ['fp32', 'bf16'])
@pytest.mark.parametrize('build', [
    lambda: DSTNetPlus(mid_channels=4, num_filter_blocks=1, num_blocks=1),
    lambda: ESTRNNNet(mid_channels=2, num_blocks=1)])
def test_a_restorers_test_and_the_pictures_agree(build, precision):
    """One engine: the whole-video test and the restorer of pictures give the same."""
    torch.manual_seed(0)
    model = ClipRestorer(dict(type=build), dict(pixel=dict(type=nn.L1Loss)),
                         test_cfg=dict(clip_length=6, overlap=4)).eval()
    images = video(11, (20, 24))
    frames = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)[None] / 255
    with torch.no_grad():
        wanted = model.restore_video(frames)[0].clamp(0, 1).permute(0, 2, 3, 1).numpy() * 255
    found = restored(FrameRestorer(model, precision, clip_overlap=4), images)
    assert np.abs(found - wanted).mean() < (0.51 if precision == 'fp32' else 2)
    assert np.abs(found - wanted).max() < (0.51 if precision == 'fp32' else 16)
