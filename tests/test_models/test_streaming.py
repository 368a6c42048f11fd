import pytest
import torch

from cdvd_mm.bench.plain import restore_window_plainly
from cdvd_mm.models import backbones
from cdvd_mm.models.backbones.cdvd_net import CDVDNet
from cdvd_mm.models.flow_estimators import MMFlowEstimator
from cdvd_mm.models.protocols import (
    CascadeNetwork,
    ClipNetwork,
    RecurrentNetwork,
    WindowNetwork,
)
from cdvd_mm.models.streaming import StreamingCascade, build_streamer
from cdvd_mm.registry import MODELS
from cdvd_mm.windows import reflect_index, window_indices


def network(num_stages: int, **options) -> CDVDNet:
    torch.manual_seed(0)
    net = CDVDNet(2 * num_stages + 1, num_stages, mid_channels=4, num_blocks=1, **options)
    # draw the flow network's weights so that frames do move
    if net.flow_estimator is not None:
        net.flow_estimator.estimator.init_weights()
    return net.eval()


def clip(length: int, size=(32, 48)) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    base = torch.rand(1, 3, size[0] // 4 + 4, size[1] // 4 + 4, generator=generator)
    base = torch.nn.functional.interpolate(base, scale_factor=4, mode='bicubic').clamp(0, 1)
    return [base[..., k % 8:k % 8 + size[0], (2 * k) % 9:(2 * k) % 9 + size[1]].contiguous()
            for k in range(length)]


def stream(streamer, frames):
    restored, ready = [], []
    for frame in frames:
        restored += streamer.push(frame)
        ready.append(len(restored))
    return restored + streamer.flush(), ready


def restore_clip_plainly(net: CDVDNet, frames: list[torch.Tensor]) -> list[torch.Tensor]:
    """All frames of a clip window by window, the ends reflected."""
    return [restore_window_plainly(net, [frames[index] for index in window_indices(
        k, net.num_frames, len(frames))]) for k in range(len(frames))]


@pytest.mark.parametrize('num_stages', [1, 2, 3])
def test_streaming_equals_window_by_window(num_stages):
    """All frames, the reflected ends too; in fp32, mean < 1e-5 and maximum < 1e-4."""
    length = 2 * num_stages + 2
    net, frames = network(num_stages), clip(length)
    restored, ready = stream(StreamingCascade(net), frames)
    assert len(restored) == length
    assert ready == [max(0, k + 1 - num_stages) for k in range(length)]
    for k in (0, num_stages, length - 1):
        a, b = restored[k], restore_window_plainly(
            net, [frames[index] for index in window_indices(k, net.num_frames, length)])
        assert (a - b).abs().mean() < 1e-5 and (a - b).abs().max() < 1e-4
    # and what the network makes of a whole window
    window = torch.stack(frames[:2 * num_stages + 1], 1)
    with torch.no_grad():
        assert (net(window) - restored[num_stages]).abs().max() < 1e-4


@pytest.mark.parametrize('options', [{'flow_estimator': None}, {'prior': None}])
def test_ablations(options):
    net, frames = network(2, **options), clip(4, (16, 16))
    restored, _ = stream(StreamingCascade(net), frames)
    for a, b in zip(restore_clip_plainly(net, frames), restored):
        assert (a - b).abs().max() < 1e-4


@pytest.mark.parametrize('length', [0, 1, 2, 3, 4])
def test_short_videos(length):
    net, frames = network(2, flow_estimator=None), clip(length)
    streamer = StreamingCascade(net)
    for _ in range(2):  # flush begins anew
        restored, _ = stream(streamer, frames)
        assert len(restored) == length
        for a, b in zip(restore_clip_plainly(net, frames), restored):
            assert (a - b).abs().max() < 1e-5


def test_work_and_memory_are_bounded():
    """4 flows, 2 restorations, 2 pyramids a frame; the state does not grow."""
    net = network(2)
    calls = {'encode': 0, 'decode': 0, 'restore': 0}
    encode, decode, restore = net.encode, net.flow_estimator.decode, net.restore

    def counted(name, function, batch):
        def call(*args, **kwargs):
            calls[name] += batch(args)
            return function(*args, **kwargs)
        return call

    net.encode = counted('encode', encode, lambda a: len(a[0]))
    net.flow_estimator.decode = counted('decode', decode,
                                        lambda a: len(next(iter(a[0].values()))))
    net.restore = counted('restore', restore, lambda a: len(a[0].frames))
    streamer = StreamingCascade(net)
    frames = clip(9, (16, 16))
    for frame in frames[:5]:
        streamer.push(frame)
    for name in calls:
        calls[name] = 0
    for frame in frames[5:]:
        streamer.push(frame)
    assert calls == {'encode': 2 * 4, 'decode': 4 * 4, 'restore': 2 * 4}
    assert len(streamer._recent) == 3 and [len(s) for s in streamer._stages] == [3, 3]


def test_middle_of_a_video_needs_only_its_context():
    """What a resumed run and ``--start`` rest on."""
    net, frames = network(2), clip(7, (16, 16))
    whole, _ = stream(StreamingCascade(net), frames)
    part, _ = stream(StreamingCascade(net), frames[2:])
    for a, b in zip(whole[4:], part[2:]):
        assert (a - b).abs().max() < 1e-6


# A small form of every network of the package; a network without one fails the tests below.
SMALL = {'mid_channels': 4, 'num_blocks': 1}
NETWORKS = {
    'CDVDNet': [SMALL, SMALL | {'flow_source': 'blurred'}, SMALL | {'predict_residual': True},
                SMALL | {'prior': None}, SMALL | {'flow_estimator': None},
                SMALL | {'reconstruction': {'type': 'TripleUNet', 'channels': (4, 6, 8)}}],
    'SingleFrameCDVDNet': [SMALL],
    'EDVRDeblurNet': [{'mid_channels': 4, 'num_frames': 3, 'deform_groups': 2,
                       'num_blocks_extraction': 1, 'num_blocks_reconstruction': 1}],
    'STFANNet': [SMALL | {'kernel_size': 3}],
    'DSTNetPlus': [SMALL | {'num_filter_blocks': 1}],
    'CDVDNetNL': [SMALL],
    'ESTRNNNet': [SMALL],
    'WindowUNet': [{'num_frames': 3, 'channels': (4, 6, 8)}],
}
# What restores triples inside of a cascade sees no video of its own.
PARTS = {'TripleUNet'}
# The most specific one counts.
KINDS = (CascadeNetwork, RecurrentNetwork, WindowNetwork, ClipNetwork)


def registered() -> set[str]:
    MODELS.import_from_location()
    return {name for name, cls in MODELS.module_dict.items()
            if cls.__module__.startswith(backbones.__name__)}


def build(name: str, options: dict) -> torch.nn.Module:
    torch.manual_seed(0)
    net = MODELS.build({'type': f'cdvd_mm.{name}', **options})
    for module in net.modules():
        if isinstance(module, MMFlowEstimator):
            module.estimator.init_weights()  # so that frames do move
    for parameter in net.parameters():
        if not parameter.any():  # what starts at zero hides what is before it
            torch.nn.init.normal_(parameter, std=0.1)
    return net.eval()


def whole_video(net: torch.nn.Module, frames: list[torch.Tensor]) -> list[torch.Tensor]:
    """What a network makes of a video in the form in which it is trained."""
    with torch.no_grad():
        if isinstance(net, ClipNetwork):
            frames = [frames[reflect_index(index, len(frames))]
                      for index in range(-net.context, len(frames) + net.context)]
        if not isinstance(net, WindowNetwork):
            return list(net(torch.stack(frames, 1)).unbind(1))
        return [net(torch.stack([frames[index] for index in
                                 window_indices(k, net.num_frames, len(frames))], 1))
                for k in range(len(frames))]


def test_every_network_has_a_case():
    assert registered() - PARTS == set(NETWORKS)


@pytest.mark.parametrize('name, options', [(name, options) for name, cases in NETWORKS.items()
                                           for options in cases],
                         ids=lambda value: value if isinstance(value, str) else
                         '-'.join(map(str, value)))
def test_streaming_equals_the_form_of_training(name, options):
    """For every registered network; in fp32, mean < 1e-5 and maximum < 1e-4."""
    net = build(name, options)
    frames = clip(6, (max(32, net.min_size), max(48, net.min_size)))
    assert any(isinstance(net, kind) for kind in KINDS)
    restored, _ = stream(build_streamer(net), frames)
    expected = whole_video(net, frames)
    assert len(restored) == len(expected) == 6
    for a, b in zip(restored, expected):
        assert (a - b).abs().mean() < 1e-5 and (a - b).abs().max() < 1e-4
    assert (restored[3] - restored[2]).abs().max() > 1e-3  # the frames do differ


def test_networks_of_other_packages():
    """They need not inherit from anything."""
    class Window(torch.nn.Module):
        num_frames = 3
        size_divisor = min_size = 1

        def forward(self, frames):
            return frames[:, 0] - frames[:, 2]

    class Recurrent(torch.nn.Module):
        size_divisor = min_size = 1

        def step(self, blurred, previous=None, restored=None, state=None):
            state = blurred if state is None else state + blurred
            return state, state

    frames = [torch.full((1, 3, 4, 4), float(k)) for k in range(4)]
    restored, _ = stream(build_streamer(Window()), frames)
    assert [float(f.mean()) for f in restored] == [0, -2, -2, 0]
    restored, ready = stream(build_streamer(Recurrent()), frames)
    assert [float(f.mean()) for f in restored] == [0, 1, 3, 6] and ready == [1, 2, 3, 4]
    assert isinstance(build_streamer(network(1, flow_estimator=None)), StreamingCascade)
    with pytest.raises(ValueError, match='Identity cannot be run frame by frame.*min_frames'):
        build_streamer(torch.nn.Identity())
