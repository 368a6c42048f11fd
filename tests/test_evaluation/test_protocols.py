"""Protocols against hand-written scores and the authors' own code."""

from __future__ import annotations

import math
import sys
import types

import numpy as np
import pytest
import scipy.signal

from cdvd_mm.evaluation import PROTOCOLS, get_protocol, score_frame, summarise
from cdvd_mm.evaluation.protocols import dataset_args
from cdvd_mm.windows import scored_frames


def test_frames_of_the_protocols():
    paper, everything, thirty = (PROTOCOLS[n] for n in ('cdvd-tsp', 'all-frames', 'dvd-30'))
    assert paper.frames(7) == [2, 3, 4]
    assert paper.frames(4) == []
    assert everything.frames(3) == [0, 1, 2]
    assert thirty.frames(100) == [int(i) for i in np.floor(np.linspace(2, 97, 30))]
    assert thirty.frames(100)[:3] == [2, 5, 8] and thirty.frames(100)[-1] == 97
    assert len(thirty.frames(100)) == 30
    assert thirty.frames(10) == [2, 3, 4, 5, 6, 7]  # each frame once
    # DVD: 10 x 100 frames; GOPRO: 9 x 100, 134 and 77
    assert sum(len(paper.frames(100)) for _ in range(10)) == 960
    assert sum(len(paper.frames(n)) for n in [100] * 9 + [134, 77]) == 1067


def test_pixels_of_the_protocols():
    image = np.zeros((31, 42, 3), np.uint8)
    assert PROTOCOLS['cdvd-tsp'].crop(image).shape == (28 - 8, 40 - 8, 3)
    assert PROTOCOLS['all-frames'].crop(image).shape == image.shape
    assert PROTOCOLS['dvd-30'].crop(image).shape == image.shape
    with pytest.raises(ValueError, match='leaves 32x8 of a frame of 42x18'):
        PROTOCOLS['cdvd-tsp'].crop(image[:18])


def test_unknown_names():
    with pytest.raises(ValueError, match="unknown protocol 'paper', there are cdvd-tsp, all-fra"):
        get_protocol('paper')
    image = np.zeros((32, 32, 3), np.uint8)
    with pytest.raises(ValueError, match='metrics must be some of'):
        score_frame(image, image, PROTOCOLS['cdvd-tsp'], ('MSE',))
    with pytest.raises(ValueError, match='32x16, the sharp one 32x32'):
        score_frame(image[:16], image, PROTOCOLS['cdvd-tsp'])


def test_held_to_the_authors_scores(shared):
    """psnr_crop4 and ssim_crop4: differences 2e-6 dB and 3e-17."""
    reference = np.load(shared / 'reference' / 'metrics_and_losses.npz')
    scores = score_frame(reference['pred'], reference['gt'], PROTOCOLS['cdvd-tsp'])
    assert abs(scores['PSNR'] - reference['psnr_crop4']) < 1e-4
    assert abs(scores['SSIM'] - reference['ssim_crop4']) < 1e-5


def _ssim_3d_by_scipy(pred, gt):
    """The definition, over a block of height, width and colour, by SciPy in double precision."""
    kernel = np.exp(-(np.arange(11) - 5)**2 / (2 * 1.5**2))
    kernel = kernel / kernel.sum()
    kernel = kernel[:, None, None] * kernel[None, :, None] * kernel[None, None, :]
    pred, gt = pred.astype(np.float64), gt.astype(np.float64)

    def mean(block):
        padded = np.pad(block, 5, mode='edge')
        return scipy.signal.fftconvolve(padded, kernel, mode='valid')

    c1, c2 = 6.5025, 58.5225
    mu1, mu2 = mean(pred), mean(gt)
    var1, var2 = mean(pred * pred) - mu1**2, mean(gt * gt) - mu2**2
    both = mean(pred * gt) - mu1 * mu2
    score = (2 * mu1 * mu2 + c1) * (2 * both + c2) / (mu1**2 + mu2**2 + c1) / (var1 + var2 + c2)
    return score.mean()


@pytest.mark.parametrize('noise', [3, 30])
def test_three_dimensional_ssim(noise):
    rng = np.random.default_rng(noise)
    ramp = np.linspace(0, 255, 24 * 31 * 3).reshape(24, 31, 3)[..., ::-1]
    gt = np.clip(ramp + rng.normal(0, 20, ramp.shape), 0, 255).astype(np.uint8)
    pred = np.clip(gt + rng.normal(0, noise, gt.shape), 0, 255).astype(np.uint8)
    found = score_frame(pred, gt, PROTOCOLS['dstnet'])
    assert found['SSIM'] == pytest.approx(_ssim_3d_by_scipy(pred, gt), abs=1e-10)
    error = np.square(pred.astype(float) - gt).mean()
    assert found['PSNR'] == pytest.approx(10 * math.log10(255**2 / error), abs=1e-5)
    assert found['PSNR'] == score_frame(pred, gt, PROTOCOLS['all-frames'])['PSNR']
    assert score_frame(gt, gt, PROTOCOLS['dstnet'])['SSIM'] == pytest.approx(1, abs=1e-12)


def test_three_dimensional_ssim_of_flat_pictures():
    """No variance: (2 a b + C1) / (a^2 + b^2 + C1)."""
    a, b, c1 = 100, 130, (0.01 * 255)**2
    flat = np.full((16, 16, 3), a, np.uint8)
    found = score_frame(flat, np.full_like(flat, b), PROTOCOLS['dstnet'])['SSIM']
    assert found == pytest.approx((2 * a * b + c1) / (a * a + b * b + c1), abs=1e-9)


def test_bsd_truncates():
    gt = np.full((24, 24, 3), 254, np.uint8)
    pred = np.full((24, 24, 3), 253.9, np.float32)
    assert score_frame(pred, gt, PROTOCOLS['bsd'])['PSNR'] == pytest.approx(
        20 * math.log10(255), abs=1e-5)
    assert score_frame(pred, gt, PROTOCOLS['reds4'])['PSNR'] == math.inf


@pytest.mark.parametrize('names, expected', [
    (['cdvd-tsp'], (2, None)), (['dvd-30'], (2, 30)), (['dvd-30', 'dvd-30'], (2, 30)),
    (['dvd-30', 'cdvd-tsp'], (2, None)), (['dvd-30', 'dstnet', 'bsd'], (0, None))])
def test_dataset_delivers_what_any_protocol_scores(names, expected):
    args = dataset_args([PROTOCOLS[name] for name in names])
    assert (args['skip_ends'], args['sample_frames']) == expected
    delivered = set(scored_frames(100, **args))
    assert all(set(PROTOCOLS[name].frames(100)) <= delivered for name in names)


def test_predictions_are_clamped_and_rounded():
    gt = np.full((24, 24, 3), 254, np.uint8)
    pred = np.full((24, 24, 3), 254.4, np.float32)
    assert score_frame(pred, gt, PROTOCOLS['all-frames'])['PSNR'] == math.inf
    assert score_frame(pred + 0.2, gt, PROTOCOLS['all-frames'])['PSNR'] == pytest.approx(
        20 * math.log10(255), abs=1e-5)  # 255 against 254
    assert score_frame(pred + 99, gt, PROTOCOLS['all-frames'])['PSNR'] == pytest.approx(
        20 * math.log10(255), abs=1e-5)


def _rows():
    """Two videos of 6 and 8 frames; frame i of the first scores 10 + i, of the second 30 + i."""
    return [dict(key=f'{video}/{i}', video=video, frame_index=i, video_length=length,
                 PSNR=float(base + i), SSIM=base / 100)
            for video, length, base in (('a', 6, 10), ('b', 8, 30)) for i in range(length)]


@pytest.mark.parametrize('name, overall, means, counts', [
    # a: frames 2, 3; b: frames 2 .. 5
    ('cdvd-tsp', (12 + 13 + 32 + 33 + 34 + 35) / 6, (12.5, 33.5), (2, 4)),
    ('all-frames', (10 + 11 + 12 + 13 + 14 + 15 + 30 + 31 + 32 + 33 + 34 + 35 + 36 + 37) / 14,
     (12.5, 33.5), (6, 8)),
    ('dvd-30', (12 + 13 + 32 + 33 + 34 + 35) / 6, (12.5, 33.5), (2, 4)),
])
def test_mean_over_frames_not_over_videos(name, overall, means, counts):
    rows = _rows()
    summary = summarise(rows[::-1] + rows[3:5], PROTOCOLS[name])  # any order, some twice
    assert summary['overall']['PSNR'] == pytest.approx(overall, abs=1e-12)
    assert summary['overall']['PSNR'] != pytest.approx(sum(means) / 2)
    assert tuple(v['PSNR'] for v in summary['videos'].values()) == means
    assert tuple(v['num_frames'] for v in summary['videos'].values()) == counts
    assert summary['complete'] and summary['num_frames'] == sum(counts)


def test_dvd_30_of_a_long_video():
    rows = [dict(key=f'a/{i}', video='a', frame_index=i, video_length=100, PSNR=float(i))
            for i in range(100)]
    wanted = [2, 5, 8, 11, 15, 18, 21, 24, 28, 31, 34, 38, 41, 44, 47, 51, 54, 57, 60, 64, 67, 70,
              74, 77, 80, 83, 87, 90, 93, 97]
    summary = summarise(rows, PROTOCOLS['dvd-30'])
    assert [r['frame_index'] for r in summary['frames']] == wanted
    assert summary['overall']['PSNR'] == sum(wanted) / 30


def test_missing_frames_are_counted():
    summary = summarise(_rows()[:4], PROTOCOLS['all-frames'])
    assert not summary['complete'] and summary['missing'] == 2


def test_no_ground_truth_no_metric():
    rows = [{k: v for k, v in row.items() if k not in ('PSNR', 'SSIM')} for row in _rows()]
    assert summarise(rows, PROTOCOLS['cdvd-tsp'])['overall'] == {}
    some = rows[:-1] + _rows()[-1:]
    assert summarise(some, PROTOCOLS['all-frames'])['overall'] == {}


def test_lpips_is_computed_where_it_can_be(monkeypatch, tmp_path):
    import torch

    from cdvd_mm.evaluation import scores
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path))
    monkeypatch.setitem(sys.modules, 'lpips', None)
    assert 'pip install lpips' in scores.lpips_missing()
    stub = types.ModuleType('lpips')

    class LPIPS(torch.nn.Module):
        def __init__(self, net, verbose):
            super().__init__()

        def forward(self, a, b):
            assert a.shape == (1, 3, 16, 16) and a.min() >= -1 and a.max() <= 1
            return (a - b).abs().mean()

    stub.LPIPS = LPIPS
    monkeypatch.setitem(sys.modules, 'lpips', stub)
    assert 'weights of AlexNet' in scores.lpips_missing()
    (tmp_path / 'checkpoints').mkdir()
    (tmp_path / 'checkpoints' / 'alexnet-owt-7be5be79.pth').touch()
    assert scores.lpips_missing() is None
    scores._lpips_network.cache_clear()
    black, white = (np.full((24, 24, 3), v, np.uint8) for v in (0, 255))
    assert score_frame(black, white, PROTOCOLS['cdvd-tsp'], ('LPIPS',)) == {'LPIPS': 2.0}
    scores._lpips_network.cache_clear()
