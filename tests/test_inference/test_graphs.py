"""Recording and replaying, with a stand-in for CUDA graphs: what is replayed reads and writes the
tensors that were there when it was recorded, and nothing else."""

import pytest
import torch
from torch.utils._pytree import tree_leaves

from cdvd_mm.inference.graphs import Graphed, use_graphs
from cdvd_mm.models.backbones.cdvd_net import CDVDNet
from cdvd_mm.models.backbones.stfan_net import STFANNet
from cdvd_mm.models.streaming import build_streamer, stream_video


class StandIn:
    """Plays a graph: the same work on the same inputs, into the same outputs."""

    def __init__(self, failure=None):
        self.recorded = self.replayed = 0
        self.failure = failure

    def warm_up(self, call):
        return call()

    def record(self, call):
        if self.failure is not None:
            raise self.failure
        self.recorded += 1
        outputs = call()

        def replay():
            self.replayed += 1
            for own, new in zip(tree_leaves(outputs), tree_leaves(call())):
                if own is not None:
                    own.copy_(new)

        for tensor in tree_leaves(outputs):  # a recording alone computes nothing
            if tensor is not None:
                tensor.fill_(float('nan'))
        return replay, outputs


def test_warm_up_recording_and_replay():
    recorder = StandIn()
    add = Graphed(lambda x, more: {'sum': x + more[0], 'none': None}, recorder)
    results = [add(torch.full((2, ), float(k)), [torch.ones(2), None]) for k in range(6)]
    assert [r['sum'].tolist() for r in results] == [[k + 1.] * 2 for k in range(6)]
    assert results[5]['none'] is None
    assert recorder.recorded == 1 and recorder.replayed == 4  # two calls warm up


def test_another_size_is_recorded_anew():
    recorder = StandIn()
    double = Graphed(lambda x: 2 * x, recorder)
    for size in (3, 4, 5, 3):  # the first one was given up for the third
        for k in range(4):
            assert torch.equal(double(torch.full((size, ), float(k))),
                               torch.full((size, ), 2. * k))
    assert recorder.recorded == 4 and len(double._recordings) == 2


def test_what_cannot_be_recorded_goes_on_as_it_is():
    recorder = StandIn(RuntimeError('operation not permitted\nwhen capturing'))
    double = Graphed(lambda x: 2 * x, recorder)
    results = [double(torch.tensor([float(k)])).item() for k in range(5)]
    assert results == [0., 2., 4., 6., 8.] and not double.works


@pytest.mark.parametrize('make, calls', [
    (lambda: CDVDNet(mid_channels=4, num_blocks=1), ('encode', 'restore_triples')),
    (lambda: STFANNet(mid_channels=4), ('step', ))], ids=['cascade', 'recurrent'])
def test_streaming(make, calls):
    """Frame by frame, two videos of one size, then another size: as without recordings."""
    network = make().eval()
    videos = [torch.rand(1, 9, 3, *size) for size in ((64, 64), (64, 64), (64, 128))]
    with torch.no_grad():
        expected = [stream_video(build_streamer(network), video) for video in videos]
        recorder = StandIn()
        streamer = build_streamer(use_graphs(network, recorder))
        for video, right in zip(videos, expected):
            torch.testing.assert_close(stream_video(streamer, video), right)
    assert recorder.recorded >= 2 * len(calls) and recorder.replayed > 3 * recorder.recorded
    assert all(getattr(network, name).works for name in calls)


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_cuda():
    network = CDVDNet(mid_channels=4, num_blocks=1).cuda().eval()
    video = torch.rand(1, 12, 3, 64, 64, device='cuda')
    with torch.no_grad():
        expected = stream_video(build_streamer(network), video)
        found = stream_video(build_streamer(use_graphs(network)), video)
    assert network.encode.works and network.restore_triples.works
    assert (found - expected).abs().max() < 1e-3
