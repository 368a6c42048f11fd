"""The wheel, installed in a folder of its own with the sources out of the way.

The parents are those of the environment that runs the tests. ``CDVD_MM_WHEEL`` names a wheel to
try; without it one is built here.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import textwrap
import venv
import zipfile
from pathlib import Path

import pytest
from video_data import make_dataset  # noqa: F401

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ('setup.py', 'pyproject.toml', 'MANIFEST.in', 'README.md', 'LICENSE', 'model-index.yml',
           'cdvd_mm', 'configs', 'tools')
LEFT_OUT = shutil.ignore_patterns('__pycache__', '.mim')

# A config of one's own on top of one of the package, small enough for some seconds.
OWN_CONFIG = """
_base_ = 'cdvd_mm::cdvd_demo.py'
model = dict(generator=dict(mid_channels=4))
loader = dict(num_workers=0, persistent_workers=False, dataset=dict(data_root={data!r}))
train_dataloader = dict(batch_size=1, **loader)
val_dataloader = loader
test_dataloader = loader
train_cfg = dict(max_iters=2, val_interval=2)
default_hooks = dict(checkpoint=dict(interval=2))
"""
# MMagic's runner, scope and loop; of this package the classes alone, by their full names.
MMAGIC_CONFIG = """
default_scope = 'mmagic'
custom_imports = dict(imports=['cdvd_mm'])
model = dict(
    type='cdvd_mm.CascadedRestorer',
    generator=dict(type='cdvd_mm.CDVDNet', mid_channels=4, num_blocks=1, flow_estimator=None),
    pixel_loss=dict(type='L1Loss'),
    data_preprocessor=dict(type='DataPreprocessor', mean=[0.] * 3, std=[255.] * 3))
train_dataloader = dict(
    batch_size=1, num_workers=0, sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='cdvd_mm.GoProDataset', data_root={data!r}, split='train', num_frames=5,
        pipeline=[dict(type='cdvd_mm.LoadVideoFrames', crop_size=32), dict(type='PackInputs')]))
train_cfg = dict(by_epoch=False, max_iters=2)
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-4))
default_hooks = dict(checkpoint=dict(type='CheckpointHook', interval=2, by_epoch=False))
"""


@pytest.fixture(scope='session')
def wheel(tmp_path_factory) -> Path:
    """The wheel: a given one, or one built without isolation, which needs no network."""
    given = os.environ.get('CDVD_MM_WHEEL')
    if given:
        return Path(given)
    folder = tmp_path_factory.mktemp('wheel')
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / 'src' / name, ignore=LEFT_OUT)
        else:
            (folder / 'src').mkdir(exist_ok=True)
            shutil.copy2(ROOT / name, folder / 'src')
    subprocess.run([sys.executable, '-m', 'pip', 'wheel', '--quiet', '--no-deps',
                    '--no-build-isolation', '--wheel-dir', str(folder), str(folder / 'src')],
                   check=True, timeout=300)
    return next(folder.glob('*.whl'))


@pytest.fixture(scope='session')
def environment(wheel, tmp_path_factory) -> Path:
    """A virtual environment with the wheel, and with the parents of the one that runs this."""
    folder = tmp_path_factory.mktemp('environment')
    venv.create(folder, symlinks=True)
    # Of a folder that a .pth names, the .pth files are not read: an editable cdvd_mm stays away.
    # So does distutils, which Python 3.12 has from setuptools alone, and that has to be called.
    site = Path(sysconfig.get_path('purelib', vars=dict(base=str(folder))))
    (site / 'parents.pth').write_text(f'{sysconfig.get_path("purelib")}\n'
                                      'import _distutils_hack; _distutils_hack.add_shim()\n')
    subprocess.run([sys.executable, '-m', 'pip', '--python', str(folder / 'bin/python'), 'install',
                    '--quiet', '--no-deps', '--no-index', str(wheel)], check=True, timeout=120)
    return folder


@pytest.fixture
def away(environment, tmp_path):
    """Function that runs a program of the environment in an empty folder."""
    folder = tmp_path / 'away'
    folder.mkdir()

    def run(program: str, *arguments, expected: int = 0, **env) -> subprocess.CompletedProcess:
        clean = {name: value for name, value in os.environ.items() if name != 'PYTHONPATH'}
        done = subprocess.run([str(environment / 'bin' / program), *map(str, arguments)],
                              cwd=folder, env={**clean, **env}, text=True, capture_output=True,
                              timeout=280)
        assert done.returncode == expected, done.stderr[-3000:]
        return done

    run.folder = folder
    return run


def test_it_holds_what_it_needs(wheel):
    expected = {f'cdvd_mm/{path.relative_to(ROOT / "cdvd_mm").as_posix()}': path
                for path in (ROOT / 'cdvd_mm').rglob('*.py')}
    expected['cdvd_mm/py.typed'] = ROOT / 'cdvd_mm/py.typed'
    expected.update((f'cdvd_mm/{folder}/{path.name}', path) for folder in ('weights', 'web/static')
                    for path in (ROOT / 'cdvd_mm' / folder).iterdir())
    shipped = [path for folder in ('configs', 'tools') for path in (ROOT / folder).rglob('*')
               if path.is_file() and path.suffix != '.pyc']
    expected.update((f'cdvd_mm/.mim/{path.relative_to(ROOT).as_posix()}', path)
                    for path in [*shipped, ROOT / 'model-index.yml'])
    with zipfile.ZipFile(wheel) as archive:
        found = {name for name in archive.namelist() if '.dist-info/' not in name}
        assert found == expected.keys()
        assert not [name for name, path in expected.items()
                    if archive.read(name) != path.read_bytes()]


def test_a_config_by_name_is_trained_tested_and_used(away, make_dataset):  # noqa: F811
    data = make_dataset(train={'a': 6}, test={'b': 6})
    (away.folder / 'own.py').write_text(OWN_CONFIG.format(data=str(data)))
    (away.folder / 'use.py').write_text(textwrap.dedent(f"""
        import sys
        import cdvd_mm
        assert cdvd_mm.__file__.startswith(sys.prefix), cdvd_mm.__file__
        from cdvd_mm.cli import main
        checkpoint = 'work_dirs/own/iter_2.pth'
        assert main(['train', 'own.py']) == 0
        assert main(['test', 'own.py', checkpoint, '--work-dir', 'tested']) == 0
        assert main(['deblur', {str(data / 'test/b/blur')!r}, 'restored', 'cdvd_mm::cdvd_demo.py',
                     checkpoint, '--cfg-options', 'model.generator.mid_channels=4']) == 0
        # without a config: the network that ships
        assert main(['deblur', {str(data / 'test/b/blur')!r}, 'shipped']) == 0
        from mmengine.hub import get_config  # as OpenMMLab's tools find configs
        assert get_config('cdvd_mm::edvr/edvr-deblur_gopro.py').default_scope == 'cdvd_mm'
    """))
    assert 'PSNR: ' in away('python', 'use.py').stdout
    for folder in ('restored', 'shipped'):
        assert len(list((away.folder / folder).glob('*.png'))) == 6


def test_the_command(away):
    assert 'deblur ' in away('cdvd-mm', '--help').stdout


def test_tools_come_along(environment, away):
    site = Path(sysconfig.get_path('purelib', vars=dict(base=str(environment))))
    assert 'usage: ' in away('python', site / 'cdvd_mm/.mim/tools/train.py', '--help').stdout


def test_mmagics_own_program_trains_it(away, make_dataset):  # noqa: F811
    import mmagic
    data = make_dataset(train={'a': 6})
    (away.folder / 'own.py').write_text(MMAGIC_CONFIG.format(data=str(data)))
    program = Path(mmagic.__file__).parent / '.mim/tools/train.py'
    away('python', '-m', 'cdvd_mm.run', program, 'own.py', '--work-dir', 'trained')
    assert (away.folder / 'trained/iter_2.pth').is_file()


def test_without_the_parents_it_says_how_to_get_them(environment, away):
    site = sysconfig.get_path('purelib', vars=dict(base=str(environment)))
    (away.folder / 'own.py').touch()
    said = away('python', '-S', '-m', 'cdvd_mm', 'train', 'own.py', expected=1, PYTHONPATH=site)
    assert len(said.stderr.splitlines()) == 1
    assert 'cdvd_mm needs PyTorch' in said.stderr and 'cdvd-mm install' in said.stderr
    lines = away('python', '-S', '-m', 'cdvd_mm', 'install', '--dry-run', PYTHONPATH=site).stdout
    assert 'mmagic==1.2.0' in lines
