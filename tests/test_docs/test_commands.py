"""Every command line and Python snippet of README, docs and help texts, run on small stand-ins.

A command runs in bash, in a folder of its own, with the programs ``python``, ``cdvd-mm``,
``torchrun``, ``srun`` and ``pip`` answered by a process that has imported everything
(warm_server.py). Its configs are made small on the way, its lengths by the options in ``SHORT``.
Whatever cannot run here is in ``PARSED`` or ``LEFT_OUT``, with the reason.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import mmagic
import pytest
from pages import ROOT, Command, all_commands, all_snippets
from stand_ins import SAVED

PLACEHOLDERS = {
    'cdvd-mm COMMAND': 'cdvd-mm train --help',
    'MMAGIC': str(Path(mmagic.__file__).with_name('.mim')),
    'CONFIG': 'configs/cdvd_demo.py', 'INPUT': 'blurred.mp4', 'OUTPUT': 'sharp.mp4',
    '/path/to/': '$PWD/',
    'compare.py ...': 'compare.py configs/cdvd_demo.py --data data/demo --out new',
    'synthesise.py hero7.mp4': 'synthesise.py walk.mp4',  # a shorter one
    'make_demo_data.py data/demo': 'make_demo_data.py data/new',
    'work_dirs/cdvd_gopro/epoch_500.pth': 'checkpoints/cdvd_gopro.pth',
    'work_dirs/cdvd_gopro/best_PSNR_epoch_N.pth': 'checkpoints/cdvd_gopro.pth',
}
"""What a reader puts in, and what the test does."""

SHORT = {
    'benchmark.py': '--sizes 64x64 --rounds 1 --warmup 0',
    'benchmark_train.py': '--size 64 --rounds 1',
    'benchmark_loader.py': '--samples 3 --workers 1',
    'cdvd-mm ablation': '--iters 2',
    'compare.py': '--repeats 1',
    'make_demo_data.py': '--train-scenes 1 --test-scenes 1',
}
"""By program: options that make it short."""

PARSED = {
    'pip ': 'it installs; pip reads its options',
    'gpu_report.py': 'some minutes; tests/test_bench runs it',
    '--gpu-report': 'some minutes; tests/test_bench runs it',
    '--device cuda': 'there may be no GPU',
    'NNODES=': 'several machines; the same training on one of them is run',
    'stages_3': 'trains eleven networks; two of its rows are run',
    'cdvd-mm web': 'serves until it is ended; tests/test_web runs it',
    'configs/budget/{': 'trains four networks; tests/test_configs.py runs each for a step',
    'compare_demo.py': 'trains nine networks; tests/test_tools/test_demo_tools.py runs it',
}
"""By part of a command: why its options are parsed and nothing is run."""

LEFT_OUT = {
    'install.sh': 'installs; tests/test_tools/test_install_script.py runs it',
    'quickstart.sh': 'installs; its commands are those of docs/en/get_started.md',
    'run_tests.sh': 'runs this',
    '.ci/run': 'runs this',
    'pre-commit': 'a program of others',
    'tensorboard': 'a program of others that does not end',
    'activate': 'of the shell',
    'own_': 'tests/test_docs/test_contributing.py runs it',
}
"""By part of a command: why it is not even parsed."""

COMMANDS = all_commands()


def reason(table: dict[str, str], text: str) -> str | None:
    return next((why for part, why in table.items() if part in text), None)


@pytest.fixture(scope='module')
def warm(tmp_path_factory):
    """The environment of the commands: programs that the warm server answers, a world to copy."""
    place = tmp_path_factory.mktemp('docs')
    programs = place / 'bin'
    programs.mkdir()
    for name in ('python', 'cdvd-mm', 'torchrun', 'srun', 'pip'):
        (programs / name).write_text(
            f'#!/bin/sh\nexec {sys.executable} -S -E -s {programs}/link/{name} "$@"\n')
        (programs / name).chmod(0o755)
        (programs / 'link').mkdir(exist_ok=True)
        (programs / 'link' / name).symlink_to(Path(__file__).with_name('warm_server.py'))
    environment = dict(
        os.environ, PATH=f'{programs}:{os.environ["PATH"]}', WARM_SERVER=str(place / 'socket'),
        PYTHONPATH=os.pathsep.join([str(ROOT), str(ROOT / 'tests'), str(ROOT / 'tests/test_docs')]),
        OMP_NUM_THREADS='1', OPENBLAS_NUM_THREADS='1', SMALL_CONFIGS='1', COLUMNS='80')
    server = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name('warm_server.py')), str(place / 'socket')],
        env=environment, stdout=subprocess.DEVNULL, stderr=(place / 'log').open('w'))
    while not (place / 'socket').exists():
        assert server.poll() is None, (place / 'log').read_text()
        time.sleep(0.1)
    world = place / 'world'
    world.mkdir()
    environment.pop('PYTHONPATH')
    shell(f'python {ROOT}/tests/test_docs/stand_ins.py .', world, environment)
    shell('cdvd-mm test configs/cdvd_gopro.py checkpoints/cdvd_gopro.pth\n'
          'cdvd-mm prepare GOPRO data/GOPRO --store data/GOPRO_store', world, environment)
    yield world, environment
    server.kill()
    server.wait()


def shell(text: str, folder: Path, environment: dict[str, str]) -> str:
    """Run lines of a page; return what they print."""
    done = subprocess.run(['bash', '-euc', text], cwd=folder, env=environment, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
    assert done.returncode == 0, f'{text}\nexit code {done.returncode}\n{done.stdout[-3000:]}'
    return done.stdout


@pytest.fixture
def place(warm, tmp_path):
    """A copy of the world for one command; files are shared until others take their place."""
    world, environment = warm
    shutil.copytree(world, tmp_path / 'w', symlinks=True, copy_function=os.link,
                    ignore=shutil.ignore_patterns('stand-ins'))
    return tmp_path / 'w', environment


def filled_in(command: Command) -> str:
    """The command as a reader would type it, made short."""
    text = re.sub(r'\s+#.*$', '', command.text, flags=re.M)
    text = re.sub(r'(convert(?:\.py)?) (\S+) RELEASED\.\w+', r'\1 \2 published/\2.pth', text)
    for placeholder, value in PLACEHOLDERS.items():
        text = text.replace(placeholder, value)
    config = re.search(r'configs/[\w/-]+\.py', text)
    if config:
        text = text.replace('CHECKPOINT', SAVED.get(config[0], ('', ))[0])
    short = reason(SHORT, text)
    return f'{command.settings}{text}{" " + short if short else ""}'


def outputs(text: str, folder: Path) -> list[str]:
    """Words of a command that name files or folders which are not there yet."""
    words = shlex.split(text.replace('\\\n', ' '))
    path = re.compile(r'[\w.-]+(/[\w.-]+)*(\.[a-z]\w+|/\w[\w-]*)')
    return [word for word in words if path.fullmatch(word)
            and not word.startswith('cdvd_mm.') and not (folder / word).exists()]


@pytest.mark.parametrize('command', [c for c in COMMANDS if not reason(LEFT_OUT, c.text)],
                         ids=lambda c: f'{c.name}')
def test_command(place, command):
    folder, environment = place
    text = filled_in(command)
    if reason(PARSED, text):
        shell(text, folder, dict(environment, PARSE_ONLY='1'))
        return
    expected = outputs(text, folder)
    shell(text, folder, environment)
    missing = [name for name in expected if not (folder / name).exists()]
    assert not missing, f'{text} made no {missing}'


SNIPPETS = [snippet for snippet in all_snippets() if snippet.page != 'CONTRIBUTING.md']
"""Those of CONTRIBUTING.md are files of a package; test_contributing.py runs them."""

BUILDS = """
from mmengine.config import Config
from mmengine.registry import init_default_scope
from cdvd_mm.registry import DATASETS, MODELS
cfg = Config.fromfile({path!r})
init_default_scope('cdvd_mm')
assert 'model' in cfg or 'dataset' in cfg
if 'model' in cfg and not cfg.model.get('perceptual_loss'):  # that one loads weights
    MODELS.build(cfg.model)
if 'dataset' in cfg:
    assert len(DATASETS.build(cfg.dataset))
"""


@pytest.mark.parametrize('snippet', SNIPPETS, ids=lambda s: s.name)
def test_snippet(place, snippet):
    """A config is read and built; a program is run, with the name ``frames`` there."""
    folder, environment = place
    text = re.sub(r"'/data/(\w+)'", r"'data/\1'", snippet.text).replace('crop_size=256',
                                                                       'crop_size=64')
    if 'import ' in re.sub(r'custom_imports|imports=', '', text):
        text = ('import numpy as np\nframes = [np.full((64, 64, 3), 99, np.uint8)] * 5\n' + text)
    else:
        own = folder / 'own.py'
        base = ROOT / Path(snippet.page).parent
        own.write_text(text.replace("'./", f"'{base}/"), encoding='utf-8')
        text = BUILDS.format(path=str(own))
    (folder / 'snippet.py').write_text(text, encoding='utf-8')
    shell('python snippet.py', folder, environment)


def test_counts(capsys):
    """At most a tenth is run nowhere; the numbers are printed."""
    left_out = {c.name: why for c in COMMANDS if (why := reason(LEFT_OUT, c.text))}
    parsed = {c.name: why for c in COMMANDS if c.name not in left_out
              and (why := reason(PARSED, filled_in(c)))}
    run = len(COMMANDS) + len(SNIPPETS) - len(left_out) - len(parsed)
    lines = [f'{run} commands and snippets run, {len(parsed)} parsed, {len(left_out)} left out',
             *(f'  {name}: {why}' for name, why in {**parsed, **left_out}.items())]
    with capsys.disabled():
        sys.stdout.write('\n' + '\n'.join(lines) + '\n')
    others = [why for why in left_out.values() if 'runs it' not in why]
    assert len(others) < 0.1 * (len(COMMANDS) + len(SNIPPETS))
