"""What can be asked of a training and of a test."""

from __future__ import annotations

import dataclasses
from typing import Any

from cdvd_mm.options import option, positional

LAUNCHERS = ('none', 'pytorch', 'slurm', 'mpi')


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """Train a model."""

    config: str = positional('path of the config')
    work_dir: str | None = option(None, 'where logs and checkpoints go',
                                  shown_default='work_dirs/<config name>')
    resume: str | None = option(None, 'go on from the latest checkpoint of the work folder (auto) '
                                'or from PATH', metavar='auto|PATH', bare='auto')
    load_from: str | None = option(None, 'begin with the weights of PATH, at step 0',
                                   metavar='PATH')
    data_root: str | None = option(None, 'folder of the dataset, or of its frame store',
                                   metavar='DIR', shown_default='as the config says')
    amp: str | None = option(None, 'train in mixed precision (auto: bfloat16 where the GPU has it)',
                             choices=('auto', 'bfloat16', 'float16'), bare='auto')
    auto_scale_lr: bool = option(False, 'no accumulation: scale the learning rate with the total '
                                 'batch size')
    cfg_options: dict[str, Any] | None = option(
        None, 'override settings of the config, such as optim_wrapper.optimizer.lr=1e-4')
    launcher: str = option('none', 'what started the processes', choices=LAUNCHERS)
    local_rank: int = option(0, 'set by the launcher', flag='--local-rank', hidden=True)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TestOptions:
    """Test a model: restore the test frames and score them."""

    config: str = positional('path of the config')
    checkpoint: str = positional('path of the checkpoint')
    work_dir: str | None = option(None, 'where logs and results go',
                                  shown_default='work_dirs/<config name>')
    data_root: str | None = option(None, 'folder of the dataset, or of its frame store',
                                   metavar='DIR', shown_default='as the config says')
    amp: bool = option(False, 'restore in mixed precision')
    protocol: tuple[str, ...] | None = option(
        None, 'one or several of cdvd-tsp, all-frames, dvd-30, dstnet, bsd, reds4',
        shown_default='as the config says')
    save_frames: str | None = option(None, 'write the restored frames there, <video>/<frame>.png',
                                     metavar='DIR')
    resume: bool = option(False, 'go on with an interrupted test: leave out the frames scored '
                          'already')
    cfg_options: dict[str, Any] | None = option(
        None, 'override settings of the config, such as test_dataloader.num_workers=0')
    launcher: str = option('none', 'what started the processes', choices=LAUNCHERS)
    local_rank: int = option(0, 'set by the launcher', flag='--local-rank', hidden=True)
