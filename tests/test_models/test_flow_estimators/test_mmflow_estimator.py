import copy

import cv2
import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope

from cdvd_mm.converters import convert
from cdvd_mm.models.flow_estimators import MMFlowEstimator
from cdvd_mm.models.flow_estimators.mmflow_estimator import PWCNET, RAFT_SMALL, build_network
from cdvd_mm.ops import warp_with_mask

SMALL_FLOWNET = {
    'type': 'mmflow.FlowNetS',
    'encoder': {
        'type': 'mmflow.FlowNetEncoder', 'in_channels': 6,
        'pyramid_levels': ['level1', 'level2', 'level3'], 'num_convs': (1, 1, 1),
        'out_channels': (4, 8, 8), 'kernel_size': (7, 5, 3), 'strides': (2, 2, 2),
        'dilations': (1, 1, 1),
    },
    'decoder': {
        'type': 'mmflow.FlowNetSDecoder', 'in_channels': {'level3': 8, 'level2': 18},
        'out_channels': {'level3': 8}, 'flow_div': 20.,
        'deconv_bias': True, 'pred_bias': True, 'upsample_bias': True,
    },
}


def raft_small(**options):
    return MMFlowEstimator({'type': 'raft-small', 'decoder': {'iters': 2}}, **options)


def authors_raft_small(shared, tmp_path) -> MMFlowEstimator:
    """With the released weights."""
    convert('raft-small', str(shared / 'weights' / 'raft-small.pth'), str(tmp_path / 'raft.pth'))
    estimator = MMFlowEstimator('raft-small', init_cfg={
        'type': 'Pretrained', 'checkpoint': str(tmp_path / 'raft.pth')}).eval()
    estimator.init_weights()
    return estimator


def test_parameters():
    assert sum(p.numel() for p in MMFlowEstimator().parameters()) == 9_374_274
    assert sum(p.numel() for p in MMFlowEstimator('raft-small').parameters()) == 990_162


def test_conventions():
    pwcnet, raft = MMFlowEstimator(), raft_small()
    assert (pwcnet.size_divisor, pwcnet.fit, pwcnet.value_range) == (64, 'resize', (0., 1.))
    assert (raft.size_divisor, raft.fit, raft.value_range) == (8, 'pad', (-1., 1.))
    assert (pwcnet.flow_scale, raft.flow_scale) == (20., 1.)


@pytest.mark.parametrize('build', [MMFlowEstimator, raft_small,
                                   lambda: MMFlowEstimator(SMALL_FLOWNET)])
def test_encoding_each_frame_once_changes_nothing(build, device):
    estimator = build().to(device).eval()
    frames = torch.rand(3, 3, 60, 76, device=device)
    with torch.no_grad():
        flow = estimator(frames[[1, 1]], frames[[0, 2]])
        features = estimator.encode(frames)
        assert all(len(feature) == 3 for feature in features.values())
        shared = estimator.decode({k: v[[1, 1]] for k, v in features.items()},
                                  {k: v[[0, 2]] for k, v in features.items()}, (60, 76))
    assert flow.shape == (2, 2, 60, 76)
    torch.testing.assert_close(flow, shared, rtol=1e-4, atol=1e-4)


def test_resized_flow_is_scaled_by_each_side():
    """One pixel of the network's 64x128 is 48/64 and 96/128 of a frame's 48x96."""
    estimator = MMFlowEstimator()
    flow = estimator._restore(torch.ones(1, 2, 16, 32), (48, 96))
    assert flow.shape == (1, 2, 48, 96)
    assert torch.allclose(flow[:, 0], torch.tensor(20 * 96 / 128))
    assert torch.allclose(flow[:, 1], torch.tensor(20 * 48 / 64))


def test_padding_is_cropped():
    estimator = raft_small()
    frames = torch.rand(1, 3, 66, 81)
    padded = estimator._prepare(frames)
    assert padded.shape == (1, 3, 72, 88)
    torch.testing.assert_close(estimator._restore(padded[:, :2], (66, 81)),
                               frames[:, :2] * 2 - 1)
    assert estimator._prepare(frames[..., :20, :20]).shape == (1, 3, 64, 64)


def test_value_range_and_channel_order():
    frames = torch.rand(1, 3, 64, 64)
    prepared = MMFlowEstimator(value_range=(0., 255.), channel_order='bgr')._prepare(frames)
    torch.testing.assert_close(prepared, 255 * frames[:, [2, 1, 0]])


@pytest.mark.parametrize('build', [MMFlowEstimator, raft_small])
def test_gradients_reach_the_network(build, device):
    estimator = build().to(device)
    estimator.init_weights()
    frames = torch.rand(2, 1, 3, 64, 64, device=device)
    estimator(*frames).abs().mean().backward()
    without = [name for name, p in estimator.named_parameters()
               if p.grad is None or not p.grad.abs().sum() > 0]
    # instance normalisation takes the biases in front of it away
    assert not [name for name in without if name.endswith('weight')]


@pytest.mark.parametrize('scope', ['mmagic', 'cdvd_mm'])
def test_builds_under_any_default_scope(scope):
    with DefaultScope.overwrite_default_scope(scope):
        MMFlowEstimator(RAFT_SMALL)
    assert PWCNET['decoder']['scaled'] and 'radius' not in RAFT_SMALL['decoder']['corr_op_cfg']


def test_mmflows_own_operators_agree(device):
    """MMFlow's correlation and warping give the same flow (its threshold is 0.9999)."""
    ours = MMFlowEstimator().to(device).eval()
    network = copy.deepcopy(PWCNET)
    network['decoder'].update(
        corr_cfg={'type': 'Correlation', 'max_displacement': 4},
        warp_cfg={'type': 'Warp', 'align_corners': True})
    theirs = MMFlowEstimator(network).to(device).eval()
    theirs.load_state_dict(ours.state_dict())
    frames = torch.rand(2, 1, 3, 64, 64, device=device)
    with torch.no_grad():
        torch.testing.assert_close(ours(*frames), theirs(*frames), rtol=1e-4, atol=1e-4)


def test_raft_small_gives_the_authors_flow(shared, tmp_path, device):
    """Flow after every iteration and up-sampled; mean 2.5e-6 pixels off. MMFlow's block: 0.1 up."""
    arrays = np.load(shared / 'reference' / 'raft_small.npz')
    estimator = authors_raft_small(shared, tmp_path).to(device)
    frames = torch.from_numpy(arrays['frames']).permute(0, 3, 1, 2).to(device) / 255
    low = []
    estimator.estimator.decoder.flow_pred.register_forward_hook(
        lambda module, inputs, output: low.append(output))
    with torch.no_grad():
        features = estimator.encode(frames)
        flow = estimator(frames[:1], frames[1:])
    found = {'flow': flow[0], 'flow_low': torch.cat(low).cumsum(0),
             'fmap_first': features['feature'][0, :32], 'cnet_first': features['context'][0, :32],
             'fmap_second': features['feature'][1, :32]}
    for name, value in found.items():
        error = np.abs(value.cpu().numpy() - arrays[name])
        assert error.mean() < 1e-4 and error.max() < 1e-2, (name, error.mean(), error.max())


def test_mmflows_own_raft_stays_as_it_is():
    ours = build_network('raft-small')
    theirs = build_network({'type': 'mmflow.RAFTEncoder', 'in_channels': 3, 'out_channels': 128,
                            'net_type': 'Small', 'norm_cfg': {'type': 'IN'}})
    theirs.load_state_dict(ours.encoder.state_dict())
    frames = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert (ours.encoder(frames) - theirs(frames)).abs().max() > 1e-2


def test_raft_small_aligns_neighbours(shared, tmp_path, device):
    """The authors' weights, converted, align real frames.

    Mean absolute difference of valid pixels to the middle frame, frames in
    [0, 1], mean of both neighbours, unaligned -> aligned, measured on CPU with
    12 iterations: frame 14 of s20_sign 0.1271 -> 0.0345 (with MMFlow's block
    0.1277 -> 0.0353).
    """
    estimator = authors_raft_small(shared, tmp_path).to(device)
    files = [shared / 'clips' / 's20_sign' / f'{k:08d}.png' for k in (14, 13, 15)]
    frames = torch.stack([torch.from_numpy(cv2.imread(str(file))[..., ::-1] / 255.)
                          for file in files]).permute(0, 3, 1, 2).float().to(device)
    with torch.no_grad():
        flow = estimator(frames[[0, 0]], frames[1:])
    warped, mask = warp_with_mask(frames[1:], flow)
    unaligned = ((frames[1:] - frames[0]).abs() * mask).sum() / mask.sum() / 3
    aligned = ((warped - frames[0]) * mask).abs().sum() / mask.sum() / 3
    assert mask.mean() > 0.9
    assert aligned < 0.5 * unaligned


def test_pretrained_is_strict(tmp_path):
    raft = raft_small()
    path = str(tmp_path / 'raft.pth')
    torch.save({'state_dict': raft.estimator.state_dict()}, path)
    again = raft_small(init_cfg={'type': 'Pretrained', 'checkpoint': path})
    again.init_weights()
    for a, b in zip(raft.parameters(), again.parameters()):
        assert torch.equal(a, b)
    with pytest.raises(ValueError, match='does not hold the weights of PWCNet(.|\n)*missing keys'):
        MMFlowEstimator(init_cfg={'type': 'Pretrained', 'checkpoint': path}).init_weights()


def test_absent_weights(tmp_path):
    init_cfg = {'type': 'Pretrained', 'checkpoint': str(tmp_path / 'none.pth')}
    with pytest.raises(FileNotFoundError, match='none.pth'):
        raft_small(init_cfg=init_cfg).init_weights()
    raft_small(init_cfg=dict(init_cfg, required=False)).init_weights()


def test_errors():
    with pytest.raises(ValueError, match="'raft'.*pwcnet.*raft-small"):
        MMFlowEstimator('raft')
    with pytest.raises(ValueError, match="'crop'.*resize.*pad"):
        MMFlowEstimator(fit='crop')
    with pytest.raises(ValueError, match="'grb'.*rgb.*bgr"):
        MMFlowEstimator(channel_order='grb')
    with pytest.raises(ValueError, match='Pretrained'):
        MMFlowEstimator(init_cfg={'type': 'Kaiming'})
    estimator = raft_small()
    with pytest.raises(ValueError, match='RGB frames'):
        estimator.encode(torch.rand(1, 1, 64, 64))
    with pytest.raises(ValueError, match='one shape'):
        estimator(torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 72))
