"""One, two and three processes give the same scores, every frame counted once."""

from __future__ import annotations

import json
import multiprocessing
import os
import socket

import pytest
import torch
import torch.distributed as dist
from mmagic.structures import DataSample
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope
from torch import nn
from torch.utils.data import DataLoader

from cdvd_mm.evaluation import VideoDeblurMetric
from cdvd_mm.evaluation.configure import leave_out_scored_frames
from cdvd_mm.registry import DATA_SAMPLERS, DATASETS

META = ['key', 'video', 'frame_index', 'video_length', 'frame_indices', 'scored_frames',
        'frame_keys']


def dataset_cfg(root, **kwargs) -> dict:
    return dict(type='GoProDataset', data_root=str(root), split='test', test_mode=True,
                skip_ends=2, pipeline=[dict(type='LoadVideoFrames', cache_frames=6 if
                                            kwargs.get('mode') != 'video' else 0),
                                       dict(type='PackInputs', meta_keys=META)], **kwargs)


def run_test(cfg: dict, metric: VideoDeblurMetric, sampler: str) -> tuple[dict, list[str]]:
    """A test whose 'network' averages the window, or returns the run as it is."""
    dataset = DATASETS.build(cfg)
    sampler = DATA_SAMPLERS.build(dict(type=sampler, dataset=dataset, shuffle=False))
    loader = DataLoader(dataset, sampler=sampler, collate_fn=pseudo_collate)
    model = nn.Module()
    model.data_preprocessor = None
    metric.prepare(model, loader)
    seen = []
    for batch in loader:
        sample, inputs = batch['data_samples'][0], batch['inputs'][0].float()
        seen.append(sample.key)
        sample.output = DataSample(
            pred_img=inputs if 'frame_keys' in sample else inputs.mean(0))
        metric.process(batch, [sample.to_dict()])
    return metric.evaluate(len(dataset)), seen


def worker(rank: int, world: int, port: int, cfg: dict, options: dict, sampler: str,
           queue) -> None:
    torch.set_num_threads(1)
    os.environ.update(MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port), RANK=str(rank),
                      WORLD_SIZE=str(world), LOCAL_RANK=str(rank))
    dist.init_process_group('gloo', rank=rank, world_size=world)
    try:
        with DefaultScope.overwrite_default_scope('cdvd_mm'):
            queue.put((rank, *run_test(cfg, VideoDeblurMetric(**options), sampler)))
    except Exception as error:
        queue.put((rank, error, []))
    finally:
        dist.barrier()
        dist.destroy_process_group()


def run_distributed(world: int, cfg: dict, options: dict, sampler='VideoRunSampler') -> list:
    """(metrics, keys seen) of every process."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context('fork')
    queue = context.Queue()
    processes = [context.Process(target=worker, args=(r, world, port, cfg, options, sampler, queue))
                 for r in range(world)]
    for process in processes:
        process.start()
    outcomes = [queue.get(timeout=100) for _ in processes]
    for process in processes:
        process.join(20)
    return [outcome[1:] for outcome in sorted(outcomes, key=lambda o: o[0])]


@pytest.fixture
def root(make_dataset):
    """Videos of different lengths, so that the mean over videos would differ."""
    return make_dataset(test={'a': 5, 'long one': 14, 'b': 6})


@pytest.mark.parametrize('kwargs', [{}, dict(mode='video', run_length=5, overlap=2)],
                         ids=['windows', 'runs'])
@pytest.mark.parametrize('sampler', ['VideoRunSampler', 'DefaultSampler'])
def test_the_number_of_processes_does_not_matter(root, tmp_path, kwargs, sampler):
    cfg = dataset_cfg(root, **kwargs)
    expected, keys = run_test(cfg, VideoDeblurMetric('cdvd-tsp'), 'VideoRunSampler')
    assert len(keys) == len(set(keys)) == (1 + 10 + 2 if not kwargs else 1 + 3 + 1)
    for world in (2, 3) if sampler == 'VideoRunSampler' else (3,):
        out = tmp_path / str(world)
        outcomes = run_distributed(world, cfg, dict(protocol='cdvd-tsp', out_dir=str(out)), sampler)
        assert all(metrics == expected for metrics, _ in outcomes)
        seen = [key for _, part in outcomes for key in part]
        if sampler == 'VideoRunSampler':
            assert seen == keys  # contiguous runs, each sample once
        else:
            assert len(seen) > len(keys)  # padded by the sampler, and still counted once
        report = json.loads((out / 'results.json').read_text())
        assert report['num_frames'] == 13 and report['complete']
        assert not list(out.glob('*.part*'))


def test_an_error_of_the_main_process_reaches_all(root, tmp_path):
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out' / 'results.json').write_text('{')
    outcomes = run_distributed(2, dataset_cfg(root), dict(out_dir=str(tmp_path / 'out'),
                                                          resume=True))
    assert all('results.json is damaged' in str(error) for error, _ in outcomes)


def test_resume_leaves_out_what_was_scored(root, tmp_path):
    cfg, out = dataset_cfg(root), str(tmp_path / 'out')
    expected, _ = run_test(cfg, VideoDeblurMetric('cdvd-tsp'), 'VideoRunSampler')
    killed = VideoDeblurMetric('cdvd-tsp', out_dir=out)
    run_killed = dict(cfg, videos=['a', 'b'])
    dataset = DATASETS.build(run_killed)
    for i in range(len(dataset)):
        sample = dataset[i]['data_samples']
        sample.output = DataSample(pred_img=dataset[i]['inputs'].float().mean(0))
        killed.process(None, [sample.to_dict()])
    while killed._pending:
        killed._collect()

    from mmengine.config import ConfigDict
    loader = ConfigDict(dataset=cfg)
    metric = dict(type='VideoDeblurMetric', protocol='cdvd-tsp', out_dir=out, resume=True)
    leave_out_scored_frames(loader, ConfigDict(type='Evaluator', metrics=[metric]))
    assert len(loader.dataset.skip_keys) == 3
    metric.pop('type')
    found, seen = run_test(loader.dataset, VideoDeblurMetric(**metric), 'VideoRunSampler')
    assert found == expected and {key.split('/')[0] for key in seen} == {'long one'}

    # everything is there: nothing is restored, the result is the same
    evaluator = ConfigDict(type='Evaluator', metrics=[dict(metric, type='VideoDeblurMetric')])
    leave_out_scored_frames(loader, evaluator)
    found, seen = run_test(loader.dataset, VideoDeblurMetric(**metric), 'VideoRunSampler')
    assert found == expected and not seen
    # saved frames that are not there are made again
    evaluator.metrics[0].save_frames = str(tmp_path / 'frames')
    leave_out_scored_frames(loader, evaluator)
    assert loader.dataset.skip_keys == []
