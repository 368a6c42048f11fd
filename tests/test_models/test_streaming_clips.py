"""Clips: where they are cut, what their joins cost, how much is kept."""

import pytest
import torch
from torch import nn

from cdvd_mm.models.backbones import ESTRNNNet
from cdvd_mm.models.streaming import (
    StreamingClips,
    StreamingDelayed,
    build_streamer,
    stream_video,
)


class Traced(nn.Module):
    """Gives every frame's first number, that of its clip's first frame, and the clip's length."""

    size_divisor = min_size = 1

    def __init__(self, context=0, min_frames=1):
        super().__init__()
        self.context, self.min_frames = context, max(min_frames, 2 * context + 1)

    def forward(self, frames):
        n, t = frames.shape[:2]
        assert t >= self.min_frames
        first, length = frames[:, :1, 0], torch.full_like(frames[:, :1, 0], t)
        traced = torch.stack((frames[:, :, 0], first.expand_as(frames[:, :, 0]),
                              length.expand_as(frames[:, :, 0])), dim=2)
        return traced[:, self.context:t - self.context]


def numbered(length):
    """A video whose frames are 0, 1, 2, ..."""
    return torch.arange(length).view(1, length, 1, 1, 1).expand(1, length, 3, 1, 1).float()


def trace(streamer, length):
    """(frame, first frame of its clip) of all that comes out."""
    restored = stream_video(streamer, numbered(length))[0, :, :, 0, 0].int()
    return [tuple(frame) for frame in restored[:, :2].tolist()]


def runs(*spans):
    """(start, stop, clip's first frame) to what :func:`trace` gives."""
    return [(frame, first) for start, stop, first in spans for frame in range(start, stop)]


@pytest.mark.parametrize('length, clip_length, overlap, expected', [
    (9, None, 0, runs((0, 9, 0))),
    (9, 9, 3, runs((0, 9, 0))),
    (3, 9, 3, runs((0, 3, 0))),
    (8, 4, 0, runs((0, 4, 0), (4, 8, 4))),
    # the last clip is moved back by 3: 2 of the 3 frames in common stay with the one before
    (9, 4, 0, runs((0, 4, 0), (4, 6, 4), (6, 9, 5))),
    (8, 4, 2, runs((0, 3, 0), (3, 5, 2), (5, 8, 4))),
    (5, 4, 3, runs((0, 2, 0), (2, 5, 1))),
])
def test_cuts_by_hand(length, clip_length, overlap, expected):
    assert trace(StreamingClips(Traced(), clip_length, overlap), length) == expected


@pytest.mark.parametrize('overlap', range(5))
def test_every_frame_once_with_its_share_of_surroundings(overlap):
    """Away from the ends of the video, half of the overlap on either side."""
    streamer = StreamingClips(Traced(), 5, overlap)
    for length in range(1, 30):
        traced = trace(streamer, length)
        assert [frame for frame, _ in traced] == list(range(length))
        for frame, first in traced:
            assert first == 0 or frame - first >= overlap // 2
            assert first + 5 >= length or first + 4 - frame >= overlap // 2


@pytest.mark.parametrize('overlap', range(4, 9))
def test_every_frame_once_where_the_network_needs_others(overlap):
    streamer = StreamingClips(Traced(context=2), 9, overlap)
    for length in range(1, 30):
        assert [frame for frame, _ in trace(streamer, length)] == list(range(length))


@pytest.mark.parametrize('context, min_frames', [(2, 5), (0, 4), (1, 8)])
@pytest.mark.parametrize('length', [1, 2, 3])
def test_videos_shorter_than_a_clip_must_be(context, min_frames, length):
    streamer = StreamingClips(Traced(context, min_frames), 9, 4)
    restored = stream_video(streamer, numbered(length))[0, :, :, 0, 0]
    assert restored[:, 0].tolist() == list(range(length))
    assert (restored[:, 2] >= min_frames).all()


def test_memory_does_not_grow_and_frames_come_in_time():
    streamer = StreamingClips(Traced(), clip_length=6, overlap=2)
    ready, kept = 0, []
    for number, frame in enumerate(numbered(200).unbind(1), 1):
        ready += len(streamer.push(frame))
        kept.append(len(streamer._frames) + len(streamer._held))
        assert number - ready <= 6 + 4  # a clip, and what the one before holds back
    assert max(kept) == max(kept[:20]) <= 6 + 3
    assert ready + len(streamer.flush()) == 200
    assert streamer.flush() == [] and not streamer._frames


def test_what_the_last_frames_let_one_make_again():
    """``memory``: a new streamer, given these, makes all that the old one has yet to give."""
    for overlap in range(5):
        streamer = StreamingClips(Traced(), 6, overlap)
        given = 0
        for number, frame in enumerate(numbered(50).unbind(1), 1):
            assert number - 1 - given < streamer.memory - overlap // 2
            given += len(streamer.push(frame))


@pytest.mark.parametrize('clip_length, overlap', [(4, 4), (3, 4), (5, 1), (4, 2)])
def test_clips_that_do_not_fit(clip_length, overlap):
    with pytest.raises(ValueError, match=f'clips of {clip_length} frames that overlap by '
                       f'{overlap} do not fit: Traced'):
        StreamingClips(Traced(context=1, min_frames=5), clip_length, overlap)


def moving(length, size=32):
    """Smooth noise that moves by a pixel a frame: (1, t, 3, h, w)."""
    coarse = torch.rand(1, 3, size // 4 + length, size // 4 + length)
    picture = nn.functional.interpolate(coarse, scale_factor=4, mode='bicubic').clamp(0, 1)
    return torch.stack([picture[..., k:k + size, k:k + size] for k in range(length)], dim=1)


class Forgetful(nn.Module):
    """Means of the past and the future that forget 0.3 of themselves with every frame."""

    size_divisor = min_size = min_frames = 1
    context = 0

    def forward(self, frames):
        means = []
        for clip in (frames, frames.flip(1)):
            state, states = torch.zeros_like(clip[:, 0]), []
            for frame in clip.unbind(1):
                state = 0.7 * state + 0.3 * frame
                states.append(state)
            means.append(torch.stack(states, dim=1))
        return (means[0] + means[1].flip(1)) / 2


@pytest.mark.parametrize('overlap', [0, 4, 8, 9])
def test_what_a_join_costs(overlap):
    """At most what is left, after half of the overlap, of states that are at most 1."""
    network, frames = Forgetful(), torch.rand(1, 40, 3, 4, 4, dtype=torch.double)
    cut = stream_video(build_streamer(network, 10, overlap), frames)
    error = (cut - network(frames)).abs().amax(dim=(0, 2, 3, 4))
    assert 0 < error.max() <= 0.7**(overlap // 2) / 2 + 0.7**(10 - overlap // 2) / 2
    assert stream_video(build_streamer(network, 40, 8), frames).equal(network(frames))


def test_estrnn_live_and_in_windows():
    """A true stream, two frames late; and the released test's windows on request."""
    network = ESTRNNNet(mid_channels=2, num_blocks=1).eval()
    frames = moving(9)
    mirrored = torch.cat((frames[:, [2, 1]], frames, frames[:, [-2, -3]]), dim=1)
    streamer = build_streamer(network)
    assert isinstance(streamer, StreamingDelayed)
    with torch.no_grad():
        expected = network(mirrored)
    ready, restored = [], []
    for frame in frames.unbind(1):
        restored += streamer.push(frame)
        ready.append(len(restored))
    assert ready == [0, 0, 1, 2, 3, 4, 5, 6, 7]
    restored = torch.stack(restored + streamer.flush(), dim=1)
    assert (restored - expected).abs().max() < 1e-5
    windows = build_streamer(network, 7, 4)
    assert isinstance(windows, StreamingClips)
    with torch.no_grad():  # windows of the mirrored video's 13 frames: from 0, 3 and 6
        by_hand = torch.cat([network(mirrored[:, k:k + 7]) for k in (0, 3, 6)], dim=1)
    torch.testing.assert_close(stream_video(windows, frames), by_hand, rtol=0, atol=1e-5)
