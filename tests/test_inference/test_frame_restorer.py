import numpy as np
import pytest
import torch
from video_files import moving_picture

from cdvd_mm.inference import frame_restorer
from cdvd_mm.inference import precision as precision_module
from cdvd_mm.inference.frame_restorer import FrameRestorer, to_array
from cdvd_mm.inference.precision import (
    OutOfMemoryError,
    choose_precision,
    matmul_precision,
    prepare_network,
)
from cdvd_mm.inference.tiling import TiledStreamer, blending, choose_tile, cut
from cdvd_mm.models.backbones import CDVDNet, EDVRDeblurNet, STFANNet
from cdvd_mm.models.streaming import StreamingCascade


def small_network(num_stages: int = 2) -> CDVDNet:
    """Near the identity, without flow: a residual network with small weights."""
    torch.manual_seed(0)
    net = CDVDNet(2 * num_stages + 1, num_stages, mid_channels=4, num_blocks=1,
                  flow_estimator=None, predict_residual=True)
    for parameter in net.reconstruction.out_block[-1].parameters():
        torch.nn.init.normal_(parameter, std=.03)
    return net.eval()


def restored(restorer, images):
    frames = [frame for image in images for frame in restorer.push(image)]
    return [to_array(frame) for frame in frames + restorer.flush()]


@pytest.mark.parametrize('size', [(48, 32), (49, 33), (16, 16), (5, 3)])
def test_any_size(size):
    images = [moving_picture(k, size) for k in range(4)]
    frames = restored(FrameRestorer(small_network()), images)
    assert [f.shape for f in frames] == [(size[1], size[0], 3)] * 4
    assert frames[0].dtype == np.uint8
    assert 0 < np.abs(frames[1].astype(int) - images[1]).mean() < 60


def test_sixteen_bits_hold_what_eight_cannot():
    image = moving_picture(0, (32, 32)).astype(np.uint16) * 257 + 100
    net = small_network()
    torch.nn.init.zeros_(net.reconstruction.out_block[-1].weight)
    torch.nn.init.zeros_(net.reconstruction.out_block[-1].bias)
    frames = restored(FrameRestorer(net), [image] * 3)
    assert frames[0].dtype == np.uint16
    expected = np.minimum(image.astype(int), 65535)
    assert np.abs(frames[1].astype(int) - expected).max() <= 1


def test_size_must_not_change_within_a_scene():
    restorer = FrameRestorer(small_network())
    restorer.push(moving_picture(0, (32, 32)))
    with pytest.raises(ValueError, match='size changes'):
        restorer.push(moving_picture(0, (32, 36)))
    restorer.flush()
    restorer.push(moving_picture(0, (32, 36)))
    with pytest.raises(ValueError, match='expected a picture'):
        restorer.push(np.zeros((4, 4), np.uint8))


@pytest.mark.parametrize('length, tile, overlap', [(200, 64, 16), (96, 96, 20), (100, 64, 31),
                                                   (1000, 128, 40)])
def test_tiles_cover_and_weights_add_up(length, tile, overlap):
    total = torch.zeros(length)
    spans = cut(length, tile, overlap)
    for span in spans:
        assert span.start % 4 == 0 and span.stop - span.start == min(tile, length)
    for span, weights in zip(spans, blending(spans)):
        total[span.start:span.stop] += weights
    assert (total - 1).abs().max() < 1e-5
    assert all(s.before >= overlap - 3 for s in spans[1:])


def test_tiles_agree_with_whole_frames():
    net = small_network()
    images = [moving_picture(k, (200, 64)) for k in range(5)]
    whole = restored(FrameRestorer(net, tile=None), images)
    tiled = restored(FrameRestorer(net, tile=96, overlap=40), images)
    assert len(tiled) == 5
    for a, b in zip(whole, tiled):
        assert np.abs(a.astype(float) - b).mean() / 255 < 1e-3


def test_choosing_tiles(monkeypatch):
    assert choose_tile(720, 1280, 8e9) is None
    assert choose_tile(2160, 3840, 4e9) % 64 == 0
    assert choose_tile(2160, 3840, 1e6) == 128
    monkeypatch.setattr(frame_restorer, 'free_memory', lambda device: 3e7)
    restorer = FrameRestorer(small_network())
    restorer.push(moving_picture(0, (256, 192)))
    assert isinstance(restorer._streamer, TiledStreamer)
    with pytest.raises(ValueError, match='too small'):
        FrameRestorer(small_network(), tile=8)
    with pytest.raises(ValueError, match='unknown tile'):
        FrameRestorer(small_network(), tile='huge')


@pytest.mark.parametrize('fails_at', [1, 4, 7, 'flush'])
def test_smaller_tiles_where_memory_runs_out(fails_at):
    """Nothing is lost or doubled, wherever it happens, and it happens once."""
    images = [moving_picture(k, (256, 32)) for k in range(7)]
    net = small_network()
    expected = restored(FrameRestorer(net, tile=None), images)
    restorer = FrameRestorer(net, tile=None, overlap=60)
    forward, limit, failures = net.reconstruction.forward, [1 << 30], []

    def limited(x):
        if x.shape[-1] * x.shape[-2] > limit[0]:
            failures.append(x.shape)
            raise OutOfMemoryError('CUDA out of memory. Tried to allocate 2 GiB')
        return forward(x)

    net.reconstruction.forward = limited
    frames = []
    for k, image in enumerate(images, 1):
        if k == fails_at:
            limit[0] = 140 * 32
        frames += restorer.push(image)
    if fails_at == 'flush':
        limit[0] = 140 * 32
    frames += restorer.flush()
    assert len(frames) == 7 and len(failures) == 1
    for a, b in zip(expected, frames):
        assert np.abs(a.astype(float) - to_array(b)).mean() < .5
    restored(restorer, images[:3])  # the next scene begins with small tiles
    assert len(failures) == 1


def test_memory_that_never_suffices():
    net = small_network()

    def fail(x):
        raise OutOfMemoryError('CUDA out of memory')

    net.reconstruction.forward = fail
    with pytest.raises(OutOfMemoryError, match='does not suffice even for tiles of 128'):
        restored(FrameRestorer(net), [moving_picture(k, (256, 32)) for k in range(5)])


@pytest.mark.parametrize('precision', ['bf16', 'fp16', 'tf32'])
def test_precisions(precision):
    images = [moving_picture(k, (48, 32)) for k in range(4)]
    full = restored(FrameRestorer(small_network()), images)
    try:
        other = restored(FrameRestorer(small_network(), precision), images)
    except RuntimeError as error:
        pytest.skip(f'no {precision} convolutions on this CPU: {error}')
    for a, b in zip(full, other):
        assert np.abs(a.astype(float) - b).mean() < .5


@pytest.mark.parametrize('network', [
    STFANNet(mid_channels=2, num_blocks=1, kernel_size=3),
    EDVRDeblurNet(mid_channels=4, num_frames=3, deform_groups=2, num_blocks_extraction=1,
                  num_blocks_reconstruction=1)], ids=lambda network: type(network).__name__)
def test_other_networks_compute_in_half_precision_as_a_whole(network):
    """Whatever their parts are called: every layer with weights sees bfloat16."""
    images = [moving_picture(k, (48, 32)) for k in range(3)]
    full = restored(FrameRestorer(network), images)
    seen = {}
    for name, module in network.named_modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(
                lambda module, inputs, output, name=name: seen.update({name: output.dtype}))
    half = restored(FrameRestorer(network, 'bf16'), images)
    assert len(seen) > 5 and set(seen.values()) == {torch.bfloat16}
    for a, b in zip(full, half):
        assert np.abs(a.astype(float) - b).mean() < 1


def test_precision_is_chosen_by_processor_and_network(monkeypatch):
    """bf16 where the processor has it and the network was measured in it."""
    fast, unknown = small_network(), EDVRDeblurNet(
        mid_channels=4, num_frames=3, deform_groups=2, num_blocks_extraction=1,
        num_blocks_reconstruction=1)
    monkeypatch.setattr(precision_module, 'has_bfloat16_arithmetic', lambda: True)
    assert choose_precision(unknown, 'cpu') == 'fp32' == choose_precision(fast, 'cuda')
    monkeypatch.setattr(fast, 'bfloat16_difference', .02)
    assert choose_precision(fast, 'cpu') == 'fp32'
    monkeypatch.undo()
    for has, expected in ((True, 'bf16'), (False, 'fp32')):
        monkeypatch.setattr(precision_module, 'has_bfloat16_arithmetic', lambda has=has: has)
        assert FrameRestorer(small_network(), 'auto').precision == expected


def test_precision_keeps_the_settings_of_the_process():
    before = torch.backends.cudnn.allow_tf32
    with matmul_precision('fp32'):
        assert not torch.backends.cudnn.allow_tf32
    assert torch.backends.cudnn.allow_tf32 == before
    with pytest.raises(ValueError, match='unknown precision'):
        prepare_network(small_network(), 'int8')


def test_compile_falls_back_with_one_line(monkeypatch):
    def broken(module, **_):
        def call(*args):
            raise RuntimeError('no compiler found\nand much more')
        return call

    monkeypatch.setattr(torch, 'compile', broken)
    images = [moving_picture(k, (32, 32)) for k in range(3)]
    expected = restored(FrameRestorer(small_network()), images)
    frames = restored(FrameRestorer(small_network(), compile=True), images)
    assert all(np.array_equal(a, b) for a, b in zip(expected, frames))


def test_streamer_is_the_engine():
    restorer = FrameRestorer(small_network(), tile=None)
    restorer.push(moving_picture(0, (32, 32)))
    assert isinstance(restorer._streamer, StreamingCascade) and restorer.context == 2
