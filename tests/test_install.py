"""``cdvd-mm install``: what pip would be told. Nothing is installed."""

import subprocess
import sys

import pytest

from cdvd_mm import cli, install
from cdvd_mm.install import InstallOptions, Step, plan


def there(**found):
    """An environment that has these distributions."""
    return lambda name: found.get(name.replace('-', '_'), '')


def test_into_an_empty_environment():
    torch, rest, parents = plan(InstallOptions(), there())
    assert torch.arguments == ('torch===2.11.0', 'torchvision==0.26.*')
    assert {'mmengine==0.10.7', 'mmcv-lite==2.0.1', 'av>=17,<19', 'numpy>=1.26', 'lmdb',
            'torch==2.11.0', 'torchvision==0.26.*'} <= set(rest.arguments)
    assert not {'pytest>=8', 'numpy<2'} & set(rest.arguments)
    assert parents.arguments == ('--no-deps', 'mmagic==1.2.0', 'mmflow==1.0.0rc0')


def test_an_old_pytorch_gets_the_numpy_that_it_takes():
    """PyTorch 2.1 under NumPy 2: "Numpy is not available", and no training starts."""
    torch, rest, _ = plan(InstallOptions(torch='2.1.2'), there())
    assert torch.arguments == ('torch===2.1.2', 'torchvision==0.16.*', 'numpy<2')
    assert 'numpy<2' in rest.arguments
    steps = plan(InstallOptions(), there(torch='2.2.1', torchvision='0.17.1', numpy='2.2.6'))
    assert 'numpy<2' in steps[0].arguments
    assert 'numpy<2' not in plan(InstallOptions(torch='2.3.0'), there())[1].arguments


def test_what_fits_and_is_there_stays():
    steps = plan(InstallOptions(torch='2.6.0'), there(
        torch='2.8.0+cu128', torchvision='0.23.0', mmcv='2.0.1'))
    assert len(steps) == 2
    assert 'torch==2.8.0+cu128' in steps[0].arguments
    assert not [name for name in steps[0].arguments if name.startswith('mmcv')]


def test_a_missing_torchvision_fits_the_pytorch_that_is_there():
    steps = plan(InstallOptions(), there(torch='2.6.0+cpu'))
    assert steps[0].arguments == ('torch==2.6.0+cpu', 'torchvision==0.21.*')


def test_a_torchvision_without_its_pytorch_is_replaced():
    steps = plan(InstallOptions(), there(torchvision='0.21.0'))
    assert steps[0].arguments == ('torch===2.11.0', 'torchvision==0.26.*')


def test_another_index_may_label_its_builds():
    steps = plan(InstallOptions(torch='2.13.0', torch_index='https://here/cpu'), there())
    assert steps[0].arguments == ('--index-url', 'https://here/cpu', 'torch==2.13.0',
                                  'torchvision==0.28.*')


def test_a_checkout():
    steps = plan(InstallOptions(editable='/checkout', extras='all'), there())
    assert set(steps[0].arguments) == {'setuptools>=64,<82', 'wheel'}
    assert '/checkout[video,web,data,figures,heif,tests]' in steps[2].arguments
    assert 'click' not in steps[2].arguments  # setup.py says it


@pytest.mark.parametrize('found, message', [
    (dict(torch='1.13.1'), 'PyTorch 1.13.1 is in this environment; >= 2.1'),
    (dict(mmcv='2.1.0'), 'mmcv 2.1.0 is in this environment; >= 2.0.0, < 2.1.0'),
])
def test_what_is_not_ours_to_replace_is_refused(found, message):
    with pytest.raises(ValueError, match=message):
        plan(InstallOptions(), there(**found))


def test_an_mmcv_lite_that_does_not_fit_is_replaced():
    assert 'mmcv-lite==2.0.1' in plan(InstallOptions(), there(mmcv_lite='2.2.0'))[1].arguments


@pytest.mark.parametrize('options', [
    dict(torch='1.13.1'), dict(torch='latest'), dict(torch='2.0.1'), dict(extras='video data'),
    dict(extras='nonsense')])
def test_wrong_options(options):
    with pytest.raises(ValueError, match='must'):
        InstallOptions(**options)


def test_dry_run_prints_lines_for_a_shell(capsys):
    assert cli.main(['install', '--dry-run', '--torch', '2.1.2', '--extras', 'video']) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith('python -m pip install ') for line in lines)
    assert lines[-1] == 'python -m pip install --no-deps mmagic==1.2.0 mmflow==1.0.0rc0'
    assert "'av>=17,<19'" in lines[-2] and 'lmdb' not in lines[-2]


def test_a_failed_step_is_named(monkeypatch, capsys):
    monkeypatch.setattr(install, 'plan', lambda options: [Step('the impossible', ('--no-such',))])
    assert cli.main(['install']) == 1
    message = capsys.readouterr().err
    assert 'the impossible: failed' in message and 'once mended, install again' in message


def test_it_runs_on_a_bare_python(repo_root):
    done = subprocess.run([sys.executable, '-S', '-m', 'cdvd_mm', 'install', '--dry-run'],
                          cwd=repo_root, capture_output=True, text=True, env={})
    assert done.returncode == 0, done.stderr
    assert 'torch===2.11.0' in done.stdout
