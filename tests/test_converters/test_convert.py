"""The one tool, and files in all sorts of wrapping."""

import re
import runpy
import subprocess
import sys

import pytest
import torch

from cdvd_mm.converters import CONVERTERS, convert, stfan
from cdvd_mm.converters.common import read_checkpoint
from cdvd_mm.models.backbones import STFANNet


@pytest.fixture(scope='module')
def state():
    return {stfan._original_name(key): value for key, value in STFANNet().state_dict().items()}


@pytest.mark.parametrize('name, code, message', [
    ('whole.pt', 0, ''), ('other.pt', 1, 'left over (1): a.weight'), ('torn.pt', 1, 'truncated'),
    ('text.pt', 1, 'cannot be read'), ('none.pt', 1, 'No checkpoint')])
def test_tool(name, code, message, tmp_path, repo_root, state, monkeypatch, capsys):
    torch.save(state, tmp_path / 'whole.pt')
    torch.save({'a.weight': torch.zeros(1)}, tmp_path / 'other.pt')
    (tmp_path / 'torn.pt').write_bytes((tmp_path / 'whole.pt').read_bytes()[:100_000])
    (tmp_path / 'text.pt').write_text('hello')
    tool = str(repo_root / 'tools' / 'model_converters' / 'convert.py')
    target = tmp_path / 'converted.pth'
    monkeypatch.setattr(sys, 'argv', [tool, 'stfan', str(tmp_path / name), str(target)])
    with pytest.raises(SystemExit) as exit_:
        runpy.run_path(tool, run_name='__main__')
    captured = capsys.readouterr()
    assert exit_.value.code == code
    assert message in captured.err
    assert target.exists() == (code == 0)
    assert ('5,372,547 parameters, trained on BGR' in captured.out) == (code == 0)
    assert not list(tmp_path.glob('*.partial'))


def test_help_names_all_formats_at_once(repo_root):
    tool = str(repo_root / 'tools' / 'model_converters' / 'convert.py')
    done = subprocess.run([sys.executable, '-X', 'importtime', tool, '--help'], text=True,
                          capture_output=True, check=True, cwd=repo_root)
    assert all(name in done.stdout for name in CONVERTERS)
    imported = {line.rpartition('|')[2].strip() for line in done.stderr.splitlines()}
    assert not imported & {'torch', 'mmengine', 'numpy'}


@pytest.mark.parametrize('wrap, said', [
    (lambda state: state, None),
    (lambda state: {'params': state}, "'params'"),
    (lambda state: {'params': {'a': torch.zeros(1)}, 'params_ema': state}, "'params_ema'"),
    (lambda state: {'state_dict': {f'model.net.{key}': value for key, value in state.items()},
                    'pytorch-lightning_version': '2.0', 'epoch': 3}, "'state_dict'.*'model.'.*"
     "'net.'"),
    (lambda state: {f'module.{key}': value for key, value in state.items()}, "'module.'")])
def test_wrapped_files(wrap, said, tmp_path, monkeypatch):
    state = {'first.weight': torch.ones(1), 'model.bias': torch.zeros(1)}
    logged = []
    monkeypatch.setattr('cdvd_mm.converters.common.print_log',
                        lambda message, **_: logged.append(message))
    torch.save(wrap(state), tmp_path / 'a.pth')
    assert read_checkpoint(str(tmp_path / 'a.pth'))[0] == state
    assert len(logged) == (said is not None)
    assert all(re.search(said, message) for message in logged)


def test_wrong_calls(tmp_path):
    with pytest.raises(ValueError, match="no converter 'edsr'; choose from cdvd-tsp, "):
        convert('edsr', 'a.pth', 'b.pth')
    with pytest.raises(ValueError, match='stfan has no channel_order; it takes no options'):
        convert('stfan', 'a.pth', 'b.pth', channel_order='bgr', correlation=None)
