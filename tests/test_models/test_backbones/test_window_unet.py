"""The flow-free U-Net: identity at the start, what it depends on, its size."""

import pytest
import torch

from cdvd_mm.models.backbones.window_unet import TripleUNet, WindowUNet


def small(**settings):
    return WindowUNet(**{'channels': (8, 12, 16), **settings})


def trained(network):
    """Weights that are not zero anywhere."""
    torch.manual_seed(1)
    for param in network.parameters():
        torch.nn.init.normal_(param, std=0.1)
    return network


def test_it_starts_as_the_identity():
    frames = torch.rand(2, 5, 3, 16, 24)
    assert torch.equal(small()(frames), frames[:, 2])


def test_an_added_block_changes_nothing():
    network, longer = trained(small()), small(encoder_blocks=(1, 1, 3))
    missing = longer.load_state_dict(network.state_dict(), strict=False)
    assert not missing.unexpected_keys
    assert all(key.startswith('encoders.2.2.') for key in missing.missing_keys)
    frames = torch.rand(1, 5, 3, 16, 16)
    torch.testing.assert_close(longer(frames), network(frames))


def test_every_frame_has_its_say_and_samples_do_not_mix():
    network = trained(small())
    frames = torch.rand(2, 5, 3, 16, 16, requires_grad=True)
    network(frames)[0].square().sum().backward()
    assert (frames.grad[0].abs().flatten(1).sum(1) > 0).all()
    assert frames.grad[1].abs().sum() == 0


def test_the_middle_frame_is_moved_with_its_window():
    # a move by the size divisor is the same picture, moved: away from the ends nothing changes
    network = trained(small())
    wide = torch.rand(1, 5, 3, 16, 192)
    left, right = network(wide[..., :-8]), network(wide[..., 8:])
    torch.testing.assert_close(left[..., 88:96], right[..., 80:88], atol=1e-5, rtol=1e-5)


def test_the_budget_of_the_shipped_form():
    from torch.utils.flop_counter import FlopCounterMode
    network = WindowUNet()
    assert sum(param.numel() for param in network.parameters()) == 1_530_572 <= 3_000_000
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.rand(1, 5, 3, 256, 256))
    assert counter.get_total_flops() / 2 < 10e9


def test_bfloat16_keeps_to_single_precision():
    network = trained(small())
    frames = torch.rand(1, 5, 3, 32, 32)
    with torch.no_grad():
        single = network(frames)
        with torch.autocast('cpu', torch.bfloat16):
            half = network(frames)
    assert (half - single).abs().max() < 0.02 * (single - frames[:, 2]).abs().max()


@pytest.mark.parametrize('settings, message', [
    ({'num_frames': 4}, 'odd'), ({'encoder_blocks': (1, 1)}, '3 sizes'),
    ({'decoder_blocks': (1, 1, 1)}, '3 sizes')])
def test_wrong_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        small(**settings)


@pytest.mark.parametrize('shape', [(1, 3, 3, 16, 16), (5, 3, 16, 16), (1, 5, 3, 12, 16)])
def test_wrong_shapes_are_refused(shape):
    with pytest.raises(ValueError, match='WindowUNet takes'):
        small()(torch.rand(shape))


def test_a_triple_is_a_window_of_three_with_s_beside():
    triple = trained(TripleUNet(channels=(8, 12, 16)))
    window = small(num_frames=3)
    weights = triple.state_dict()
    weights['conv_first.weight'] = weights['conv_first.weight'][:, :39]  # 36 of frames, 3 of light
    window.load_state_dict(weights)
    inputs = torch.rand(2, 10, 16, 16)
    inputs[:, 9] = 0
    restored = triple(inputs)
    torch.testing.assert_close(restored, window(inputs[:, :9].unflatten(1, (3, 3))))
    inputs[:, 9] = 1
    assert (triple(inputs) - restored).abs().mean() > 1e-3


def test_a_cascade_of_triples_streams_as_it_restores_windows():
    from cdvd_mm.models.backbones import CDVDNet
    from cdvd_mm.models.streaming import build_streamer, stream_video
    network = trained(CDVDNet(flow_estimator=None, reconstruction=dict(
        type='cdvd_mm.TripleUNet', channels=(8, 12), encoder_blocks=(1, 1), decoder_blocks=(1, ))))
    assert network.size_divisor == 4 and network.reconstruction.num_frames == 3
    for param in network.parameters():
        param.data *= 0.3
    video = torch.rand(1, 7, 3, 16, 16)
    with torch.no_grad():
        streamed = stream_video(build_streamer(network), video)
        torch.testing.assert_close(streamed[:, 3], network(video[:, 1:6]), atol=1e-5, rtol=1e-5)
