"""What a child of the warm server does with a command line; configs become small on the way."""

from __future__ import annotations

import dataclasses
import importlib
import os
import runpy
import sys

SMALL = {
    'CDVDNet': dict(mid_channels=4, num_blocks=1, flow_estimator=None),
    'SingleFrameCDVDNet': dict(mid_channels=4, num_blocks=1),
    'CDVDNetNL': dict(mid_channels=8, num_blocks=1, num_runs=1),
    'DSTNetPlus': dict(mid_channels=8, num_filter_blocks=1, num_blocks=1),
    'EDVRDeblurNet': dict(mid_channels=8, deform_groups=1, num_blocks_extraction=1,
                          num_blocks_reconstruction=1),
    'BasicVSRPlusPlusNet': dict(mid_channels=8, num_blocks=1),
    'ESTRNNNet': dict(mid_channels=4, num_blocks=1),
    'STFANNet': dict(mid_channels=8, num_blocks=1),
}
"""By network: settings that make it small."""

PADDED = ('BasicVSRPlusPlusNet', )
"""Those that make frames large: their clips are the shortest."""

SIZE = (64, 80)  # height and width of the frames of the stand-ins
CROP, FRAMES, LENGTH = 64, 5, 2
"""Side of a patch, frames of a clip, steps of a training."""


def warm_up() -> None:
    """Import what the commands need, and make configs small from now on."""
    for name in ('cdvd_mm.cli', 'mmagic.apis', 'mmengine.runner', 'torch.distributed.run',
                 'torch.utils.tensorboard', 'cdvd_mm.data_tools.command', 'cdvd_mm.reports.plots',
                 'cdvd_mm.deblur.inferencer', 'cdvd_mm.reports.compare.report'):
        importlib.import_module(name)
    from mmengine.config import Config

    original = Config.fromfile

    def small(path, *arguments, **settings):
        cfg = original(path, *arguments, **settings)
        if os.environ.get('SMALL_CONFIGS') and 'model' in cfg:
            make_small(cfg)
        return cfg

    Config.fromfile = staticmethod(small)
    from cdvd_mm.datasets import GoProDataset
    video = GoProDataset.OFFICIAL_TEST_VIDEOS[0]
    GoProDataset.OFFICIAL_TEST_VIDEOS, GoProDataset.OFFICIAL_TEST_FRAMES = (video, ), {video: 7}
    GoProDataset.OFFICIAL_COUNTS = dict(train=(2, 14), test=(1, 7))
    GoProDataset.OFFICIAL_SIZE = SIZE


def make_small(cfg) -> None:
    """A network that is small, patches, clips and a training that are short."""
    generator = cfg.model.generator
    flow = generator.get('flow_estimator')
    generator.update(SMALL.get(generator.get('type'), {}))
    if flow and (flow.get('estimator') or {}).get('type') == 'raft-small':
        generator.flow_estimator = flow  # small already, and the ablation asks for it
    if cfg.model.get('train_cfg', {}).get('tsa_iter') is not None:
        cfg.model.train_cfg.tsa_iter = 0
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        loader = cfg.get(name)
        if not loader:
            continue
        loader.update(num_workers=0, persistent_workers=False)
        for step in loader.dataset.get('pipeline', ()):
            if step.get('crop_size'):
                step.crop_size = (CROP, CROP)
            if step.get('scale'):
                step.scale = SIZE[::-1]
        if loader.dataset.get('num_frames', 0) > FRAMES:
            loader.dataset.num_frames = FRAMES
        if loader.dataset.get('run_length'):
            loader.dataset.run_length = 2 if generator.get('type') in PADDED else FRAMES
        if loader.dataset.type == 'SimulatedCameraDataset':
            loader.dataset.update(crop_size=32, film_size=48, pictures=['dead-leaves'])
            loader.batch_size = 2
    _shorten(cfg)


def _shorten(cfg) -> None:
    training = cfg.get('train_cfg')
    if not training:
        return
    if 'max_epochs' in training:
        training.update(max_epochs=1, val_interval=1)
        cfg.train_dataloader.dataset.repeat = 1
    else:
        training.update(max_iters=LENGTH, val_interval=min(LENGTH, training.val_interval))
        cfg.default_hooks.checkpoint.interval = LENGTH
    if 'total_batch_size' in training:
        cfg.train_dataloader.batch_size = 1
        training.total_batch_size = 2
    cfg.test_cfg = dict(cfg.test_cfg or {})


def parsed(options, *_) -> None:
    """Take the place of a command: its options were read, those of the config are tried."""
    from cdvd_mm.engine.config import load_config
    if getattr(options, 'cfg_options', None):
        for config in getattr(options, 'configs', None) or [options.config]:
            load_config(config, options.cfg_options)


def run(program: str, *arguments: str) -> int:
    """Run ``program`` (python, cdvd-mm, torchrun, srun or pip) as a shell would; its exit code."""
    if os.environ.get('PARSE_ONLY'):
        from cdvd_mm import cli
        for name, command in cli.COMMANDS.items():
            cli.COMMANDS[name] = dataclasses.replace(command, call=f'{__name__}:parsed')
    try:
        if program == 'torchrun':
            _torchrun(arguments)
        elif program == 'srun':
            _srun(arguments)
        elif program == 'pip':
            _pip(arguments)
        elif program == 'cdvd-mm':
            from cdvd_mm.cli import main
            return main(arguments)
        else:
            _python(arguments)
    except SystemExit as end:
        if isinstance(end.code, str):
            sys.stderr.write(f'{end.code}\n')
            return 1
        return end.code or 0
    return 0


def _python(arguments: tuple[str, ...]) -> None:
    first, *others = [argument for argument in arguments if argument != '-u']
    if first == '-m' and others[0] == 'torch.distributed.run':
        _torchrun(others[1:])
    elif first == '-m':
        sys.argv[:] = [others[0], *others[1:]]
        runpy.run_module(others[0], run_name='__main__', alter_sys=True)
    else:
        sys.argv[:] = [first, *others]
        sys.path.insert(0, os.path.dirname(os.path.abspath(first)))
        runpy.run_path(first, run_name='__main__')


def _torchrun(arguments) -> None:
    """The first of the processes, alone; torchrun reads its own options."""
    from torch.distributed.run import get_args_parser
    args = get_args_parser().parse_args(list(arguments))
    if int(args.nproc_per_node) < 1 or not os.path.isfile(args.training_script):
        raise SystemExit(f'torchrun cannot start {args.training_script}')
    _alone()
    _python((args.training_script, *args.training_script_args))


def _pip(arguments) -> None:
    """Read the options alone."""
    from pip._internal.commands import create_command
    create_command(arguments[0]).parse_args(list(arguments[1:]))


def _srun(arguments) -> None:
    """The first of the tasks, alone."""
    at = next(number for number, argument in enumerate(arguments) if argument == 'python')
    _alone()
    os.environ.update(SLURM_PROCID='0', SLURM_NTASKS='1', SLURM_LOCALID='0', SLURM_JOB_ID='1',
                      SLURM_NODELIST='localhost')
    _python(tuple(arguments[at + 1:]))


def _alone() -> None:
    os.environ.update(RANK='0', WORLD_SIZE='1', LOCAL_RANK='0', MASTER_ADDR='127.0.0.1',
                      MASTER_PORT=str(20000 + os.getpid() % 20000))
