"""A folder in which the commands of the docs find what they name."""

from __future__ import annotations

import importlib
import sys
from fractions import Fraction
from pathlib import Path

import torch
from commands_in_children import SIZE
from video_data import KINDS, LAYOUTS, frame, save
from video_files import make_video

from cdvd_mm.apis import init_model
from cdvd_mm.data_tools.demo import DemoSettings, make_demo_data
from cdvd_mm.datasets.official import DVD_TEST, GOPRO_TEST
from cdvd_mm.models import backbones, flow_estimators

ROOT = Path(__file__).resolve().parents[2]
VIDEOS = {'blurred.mp4': 15, 'hero7.mp4': 48, 'max_heromode.mp4': 48, 'kingscross_60fps.mp4': 136,
          'walk.mp4': 15, 'street.mp4': 15}
"""By name: how many frames, one a second."""

SAVED = {
    'configs/cdvd_gopro.py': ('checkpoints/cdvd_gopro.pth', ),
    'configs/cdvd_dvd.py': ('checkpoints/cdvd_dvd.pth', ),
    'configs/cdvd_demo.py': ('work_dirs/cdvd_demo/iter_2000.pth', ),
    'configs/stfan/stfan_gopro.py': ('checkpoints/stfan.pth', ),
    'configs/edvr/edvr-deblur_gopro.py': ('checkpoints/edvr.pth', ),
    'configs/basicvsr_pp/basicvsr-pp_gopro.py': ('checkpoints/basicvsr_pp.pth', ),
    'configs/cdvd_nl/cdvd-nl_gopro.py': ('checkpoints/cdvd_nl.pth', ),
    'configs/dstnet_plus/dstnet-plus_gopro.py': ('checkpoints/dstnet-plus_gopro.pth', ),
    'configs/estrnn/estrnn_gopro.py': ('checkpoints/estrnn.pth', ),
}
"""By config: the checkpoints that pages expect of it."""

PUBLISHED = {
    'cdvd_tsp:CDVDNet': ('CDVD_TSP_GOPRO.pt', 'CDVD_TSP_DVD_Convergent.pt',
                         'network-default.pytorch'),
    'stfan:STFANNet': ('best-ckpt.pth.tar', ),
    'edvr:EDVRDeblurNet': ('published/edvr.pth', ),
    'cdvd_nl:CDVDNetNL': ('published/cdvd-tspnl.pth', ),
    'dstnet_plus:DSTNetPlus': ('published/dstnet-plus.pth', ),
    'estrnn:ESTRNNNet': ('published/estrnn.pth', ),
}
"""By converter and network: files as their authors publish them, but for the numbers in them."""


def make_world(folder: Path) -> None:
    """Fill an empty folder."""
    for name in ('cdvd_mm', 'configs', 'tools', 'docs', 'README.md', 'pyproject.toml'):
        (folder / name).symlink_to(ROOT / name)
    _datasets(folder / 'stand-ins', folder / 'data')
    for name, length in VIDEOS.items():
        make_video(folder / name, length, (64, 64), rate=Fraction(1))
    for number in range(6):
        save(folder / f'frames/{number:05d}.png', frame('frames', number, 'blur'))
    for name in ('cdvd', 'edvr'):  # restored frames, as good as the blurred ones
        for number in range(1, 8):
            save(folder / f'results/{name}/{GOPRO_TEST[0]}/{number:06d}.png',
                 frame(GOPRO_TEST[0], number, 'blur', SIZE))
    torch.manual_seed(0)
    _checkpoints(folder)
    _published(folder)


def _datasets(store: Path, links: Path) -> None:
    """GOPRO, DVD and own pairs: two short videos for training, one for the test."""
    links.mkdir()
    for name, layout, test in (('GOPRO', 'gopro', GOPRO_TEST[0]), ('DVD', 'dvd', DVD_TEST[0]),
                               ('averaged', 'gopro', 'clip'), ('ablation', 'gopro', 'clip'),
                               ('own', 'gopro', 'clip')):
        for split, videos in (('train', ('one', 'two')), ('test', (test, ))):
            for video in videos:
                for kind in KINDS[layout]:
                    for number in range(1, 8):
                        path = LAYOUTS[layout].format(split=split, video=video, kind=kind,
                                                      number=number)
                        save(store / name / path, frame(video, number, kind, SIZE))
    make_demo_data(str(store / 'demo'), DemoSettings(
        train_scenes=2, test_scenes=1, test_frames=6, train_size=(64, 64), test_size=(64, 64)))
    for path in list(store.iterdir()):
        if path.name in ('averaged', 'ablation', 'own'):  # commands write there
            path.rename(links / path.name)
        else:
            (links / path.name).symlink_to(path)
    (store.parent / 'GOPRO_Large').symlink_to(store / 'GOPRO')
    (store.parent / 'DeepVideoDeblurring_Dataset').symlink_to(store / 'DVD')


def _checkpoints(folder: Path) -> None:
    for config, names in SAVED.items():
        model = init_model(str(ROOT / config), device='cpu')
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            torch.save(dict(state_dict=model.state_dict()), folder / name)
    estimator = flow_estimators.MMFlowEstimator().estimator
    torch.save(dict(state_dict=estimator.state_dict()), folder / 'checkpoints/pwcnet.pth')
    raft = flow_estimators.MMFlowEstimator(dict(type='raft-small')).estimator
    torch.save(dict(state_dict=raft.state_dict()), folder / 'checkpoints/raft_small.pth')
    spynet = flow_estimators.SpyNetEstimator()
    state = {key: value for key, value in spynet.estimator.state_dict().items()
             if key not in ('mean', 'std')}  # constants, not in the file
    torch.save(dict(state_dict=state), folder / 'checkpoints/spynet.pth')
    name = importlib.import_module('cdvd_mm.converters.raft_small')._original_name
    torch.save({name(key): value for key, value in raft.state_dict().items()},
               folder / 'raft-small.pth')


def _published(folder: Path) -> None:
    for source, names in PUBLISHED.items():
        module, network = source.split(':')
        rename = importlib.import_module(f'cdvd_mm.converters.{module}')._original_name
        state = {rename(key): value
                 for key, value in getattr(backbones, network)().state_dict().items()}
        if network == 'STFANNet':
            state = dict(deblurnet_state_dict=state)
        for name in names:
            (folder / name).parent.mkdir(exist_ok=True)
            torch.save(state, folder / name)


if __name__ == '__main__':
    make_world(Path(sys.argv[1]).resolve())
