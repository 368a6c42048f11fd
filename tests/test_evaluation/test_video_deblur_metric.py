"""The metric: scores, reports, resuming, and what happens when the disk is full."""

from __future__ import annotations

import csv
import errno
import json

import numpy as np
import pytest
import torch
from mmagic.structures import DataSample

from cdvd_mm import files
from cdvd_mm.datasets.frames import read_frame
from cdvd_mm.evaluation import VideoDeblurMetric, score_frame
from cdvd_mm.evaluation.results import Results
from cdvd_mm.registry import METRICS

LENGTHS = {'a': 6, 'b ä': 8}


def frames(video: str, index: int) -> tuple[np.ndarray, np.ndarray]:
    """A restored (float, not clamped) and a sharp frame, (3, 24, 32) RGB."""
    rng = np.random.default_rng([len(video), index])
    gt = rng.integers(0, 256, (3, 24, 32)).astype(np.float32)
    return gt + rng.normal(0, 3 + index + 10 * (video == 'a'), gt.shape).astype(np.float32), gt


def sample(video: str, index: int, with_gt: bool = True, bgr: bool = True) -> dict:
    """As a restorer hands it to the evaluator."""
    pred, gt = (torch.from_numpy(f[::-1].copy() if bgr else f) for f in frames(video, index))
    data_sample = DataSample(metainfo=dict(
        key=f'{video}/{index:04d}', video=video, frame_index=index, video_length=LENGTHS[video],
        img_channel_order='RGB'))
    if bgr:
        data_sample.set_metainfo(dict(img_output_channel_order='RGB'))
    if with_gt:
        data_sample.gt_img = gt
    data_sample.output = DataSample(pred_img=pred)
    return data_sample.to_dict()


def all_samples(**kwargs) -> list[dict]:
    return [sample(v, i, **kwargs) for v, length in LENGTHS.items() for i in range(length)]


def by_hand(protocol, indices) -> tuple[float, float]:
    scores = [score_frame(*(f.transpose(1, 2, 0) for f in frames(v, i)), protocol)
              for v, i in indices]
    return tuple(sum(s[n] for s in scores) / len(scores) for n in ('PSNR', 'SSIM'))


@pytest.mark.parametrize('bgr', [True, False])
@pytest.mark.parametrize('protocol, ends', [('cdvd-tsp', 2), ('all-frames', 0), ('dvd-30', 2),
                                            ('dstnet', 0), ('bsd', 0)])
def test_scores(protocol, ends, bgr):
    metric = METRICS.build(dict(type='VideoDeblurMetric', protocol=protocol))
    for one in all_samples(bgr=bgr):
        metric.process(None, [one])
    metric.process(None, [sample('a', 3, bgr=bgr)])  # padded by a sampler
    found = metric.evaluate()
    psnr, ssim = by_hand(metric.protocol, [
        (v, i) for v, length in LENGTHS.items() for i in range(ends, length - ends)])
    assert found == {'PSNR': pytest.approx(psnr, abs=1e-9), 'SSIM': pytest.approx(ssim, abs=1e-12)}
    assert metric.evaluate(5) == {}  # nothing is left over


def test_order_and_split_do_not_matter():
    results = []
    for order in (1, -1):
        metric = VideoDeblurMetric('all-frames')
        metric.process(None, all_samples()[::order])
        results.append(metric.evaluate())
    assert results[0] == results[1]


def test_whole_videos():
    metric = VideoDeblurMetric('cdvd-tsp')
    pred, gt = (torch.from_numpy(np.stack(f)) for f in zip(*[frames('a', i) for i in range(1, 6)]))
    data_sample = DataSample(gt_img=gt, metainfo=dict(
        key='a/0001-0005', video='a', frame_index=1, video_length=6, img_channel_order='RGB',
        frame_keys=[f'a/{i:04d}' for i in range(1, 6)], frame_indices=list(range(1, 6)),
        scored_frames=[2, 3]))
    data_sample.output = DataSample(pred_img=pred)
    metric.process(None, [data_sample.to_dict()])
    psnr, _ = by_hand(metric.protocol, [('a', 2), ('a', 3)])
    assert metric.evaluate()['PSNR'] == pytest.approx(psnr, abs=1e-9)
    data_sample.output = DataSample(pred_img=pred[1:-1])
    with pytest.raises(ValueError, match='5 frames went in and 3 came out'):
        metric.process(None, [data_sample.to_dict()])


def test_report(tmp_path):
    metric = VideoDeblurMetric('cdvd-tsp', out_dir=str(tmp_path / 'out'),
                               save_frames=str(tmp_path / 'frames'),
                               run_info=dict(config='c.py', checkpoint_sha256='00'))
    metric.process(None, all_samples())
    found = metric.evaluate()
    report = json.loads((tmp_path / 'out/results.json').read_text())
    assert report['overall'] == found and report['complete'] and report['num_frames'] == 6
    assert report['protocol']['name'] == 'cdvd-tsp' and report['protocol']['crop_border'] == 4
    assert report['info']['config'] == 'c.py' and report['info']['checkpoint_sha256'] == '00'
    assert 'torch' in report['info']['versions'] and report['info']['device']
    assert set(report['videos']) == set(LENGTHS)
    with open(tmp_path / 'out/frames.csv') as file:
        rows = list(csv.DictReader(file))
    assert [(r['video'], r['frame']) for r in rows] == [
        ('a', '0002'), ('a', '0003'), ('b ä', '0002'), ('b ä', '0003'), ('b ä', '0004'),
        ('b ä', '0005')]
    assert np.mean([float(r['PSNR']) for r in rows]) == pytest.approx(found['PSNR'])
    assert (tmp_path / 'out/videos.csv').read_text().splitlines()[-1].startswith('mean over all fr')
    assert not list((tmp_path / 'out').glob('*.part*'))
    saved = read_frame(str(tmp_path / 'frames/b ä/0003.png'))
    expected = np.rint(np.clip(frames('b ä', 3)[0], 0, 255)).transpose(1, 2, 0)
    assert np.array_equal(saved, expected)


def test_without_ground_truth(tmp_path):
    metric = VideoDeblurMetric('all-frames', out_dir=str(tmp_path))
    metric.process(None, all_samples(with_gt=False))
    assert metric.evaluate() == {}
    assert len(list((tmp_path / 'frames').glob('*/*.png'))) == 14
    report = json.loads((tmp_path / 'results.json').read_text())
    assert report['overall'] == {} and 'PSNR' not in report['frames'][0]


def test_resume_after_a_kill(tmp_path):
    info = dict(checkpoint_sha256='00')
    whole = VideoDeblurMetric('cdvd-tsp')
    whole.process(None, all_samples())
    expected = whole.evaluate()

    killed = VideoDeblurMetric('cdvd-tsp', out_dir=str(tmp_path), run_info=info)
    killed.process(None, all_samples()[:7])
    while killed._pending:
        killed._collect()
    part = next(tmp_path.glob('*.part.jsonl'))
    part.write_bytes(part.read_bytes()[:-40])  # in the middle of a line

    rows = Results(str(tmp_path), killed.protocol, info).load()
    assert len(rows) == 6
    done = {row['key'] for row in rows}
    again = VideoDeblurMetric('cdvd-tsp', out_dir=str(tmp_path), run_info=info, resume=True)
    again.process(None, [s for s in all_samples() if s['key'] not in done])
    assert again.evaluate() == expected

    # a finished test: nothing is left to do, and the report says the same
    finished = VideoDeblurMetric('cdvd-tsp', out_dir=str(tmp_path), run_info=info, resume=True)
    assert finished.evaluate() == expected
    for protocol, checkpoint in (('all-frames', '00'), ('cdvd-tsp', '11')):
        other = VideoDeblurMetric(protocol, out_dir=str(tmp_path), resume=True,
                                  run_info=dict(checkpoint_sha256=checkpoint))
        with pytest.raises(ValueError, match='no scores of this test'):
            other.evaluate()


def test_report_of_another_test_does_not_hide_an_interrupted_one(tmp_path):
    finished = VideoDeblurMetric(out_dir=str(tmp_path), run_info=dict(checkpoint_sha256='00'))
    finished.process(None, all_samples()[:4])
    finished.evaluate()
    info = dict(checkpoint_sha256='11')
    killed = VideoDeblurMetric(out_dir=str(tmp_path), run_info=info)
    killed.process(None, all_samples()[2:4])
    while killed._pending:
        killed._collect()
    assert [r['key'] for r in Results(str(tmp_path), killed.protocol, info).load()] == [
        'a/0002', 'a/0003']


def test_full_disk_while_writing_results(tmp_path, monkeypatch):
    metric = VideoDeblurMetric('cdvd-tsp', out_dir=str(tmp_path))
    metric.process(None, all_samples())
    real = files.os.fsync

    def full(_):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(files.os, 'fsync', full)
    with pytest.raises(OSError, match='No space left on device; free some space') as error:
        metric.evaluate()
    assert 'results.json' in str(error.value)
    assert not list(tmp_path.glob('results.json*')) and list(tmp_path.glob('*.part.jsonl'))

    monkeypatch.setattr(files.os, 'fsync', real)
    again = VideoDeblurMetric('cdvd-tsp', out_dir=str(tmp_path), resume=True)
    assert again.evaluate()['PSNR'] > 0 and (tmp_path / 'results.json').is_file()


def test_full_disk_while_scoring(tmp_path):
    results = Results(str(tmp_path), VideoDeblurMetric('cdvd-tsp').protocol)
    results.append(dict(key='a/1', video='a', frame_index=1, video_length=6, PSNR=30.))
    results._file.close()
    results._file = open('/dev/full', 'ab', buffering=0)
    with pytest.raises(OSError, match='No space left.*run the same command with --resume'):
        results.append(dict(key='a/2', video='a', frame_index=2, video_length=6, PSNR=30.))
    results._file.close()
    assert [row['key'] for row in results.load()] == ['a/1']


def test_infinite_scores_survive_the_report(tmp_path):
    metric = VideoDeblurMetric('all-frames', out_dir=str(tmp_path))
    perfect = sample('a', 0)
    perfect['output'] = dict(pred_img=perfect['gt_img'])
    metric.process(None, [perfect])
    assert metric.evaluate()['PSNR'] == float('inf')
    report = json.loads((tmp_path / 'results.json').read_text())
    assert report['overall']['PSNR'] == 'inf' and not report['complete']
    assert Results(str(tmp_path), metric.protocol).load()[0]['PSNR'] == float('inf')


def test_frames_that_equal_the_truth_do_not_hide_the_others(tmp_path):
    samples = [sample('a', index) for index in range(3)]
    expected = VideoDeblurMetric('all-frames')
    expected.process(None, samples[1:])
    samples[0]['output'] = dict(pred_img=samples[0]['gt_img'])
    metric = VideoDeblurMetric('all-frames', out_dir=str(tmp_path))
    metric.process(None, samples)
    assert metric.evaluate()['PSNR'] == expected.evaluate()['PSNR']
    report = json.loads((tmp_path / 'results.json').read_text())
    assert report['identical'] == report['videos']['a']['identical'] == 1
    assert report['frames'][0]['PSNR'] == 'inf' and report['num_frames'] == 3


def test_wrong_arguments():
    with pytest.raises(ValueError, match='unknown protocol'):
        VideoDeblurMetric('paper')
    with pytest.raises(ValueError, match='needs out_dir'):
        VideoDeblurMetric(resume=True)
    with pytest.raises(ValueError, match='metrics must be'):
        VideoDeblurMetric(metrics=['NIQE'])
