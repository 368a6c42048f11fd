"""One place knows versions: setup.py, the scripts and the docs agree with it, imports are met."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cdvd_mm import requirements
from cdvd_mm.requirements import EXTRAS, REQUIREMENTS, TORCH, find, of_group

ROOT = Path(__file__).resolve().parents[1]
NAMED_IN = ['README.md', 'tools/install.sh', *(
    path.relative_to(ROOT).as_posix() for path in sorted(ROOT.glob('docs/en/*.md'))
    if path.name != 'changelog.md')]


@pytest.mark.parametrize('version, numbers', [
    ('2.11.0+cpu', (2, 11)), ('2.1', (2, 1)), ('1.0.0rc0', (1,)), ('5.0.0.93', (5, 0, 0, 93)),
    ('unknown', ())])
def test_release(version, numbers):
    assert requirements.release(version) == numbers


@pytest.mark.parametrize('torch, torchvision, numpy', [
    ('2.1.2', '0.16.*', '2'), ('2.2.2', '0.17.*', '2'), ('2.3.0', '0.18.*', ''),
    ('2.11.0+cpu', '0.26.*', ''), ('2.14.1', '0.29.*', '')])
def test_what_goes_with_a_pytorch(torch, torchvision, numpy):
    assert requirements.torchvision_for(torch) == torchvision
    assert requirements.numpy_limit(torch) == numpy


@pytest.mark.parametrize('name, pip, expected', [
    ('mmcv', 'mmcv-lite==2.0.1', '>= 2.0.0, < 2.1.0'), ('MMFlow', 'mmflow==1.0.0rc0', '1.0.0rc0'),
    ('av', 'av>=17,<19', '>= 17, < 19'), ('click', 'click', 'any')])
def test_words(name, pip, expected):
    entry = find(name)
    assert (entry.pip, entry.expected) == (pip, expected)


@pytest.fixture(scope='module')
def setup_arguments():
    """What setup.py hands to setuptools, which wants a process of its own."""
    names = ('install_requires', 'extras_require', 'classifiers', 'python_requires')
    code = ('import json, runpy, setuptools\n'
            'setuptools.setup = lambda **given: print(json.dumps('
            f'{{name: given[name] for name in {names}}}))\n'
            f'runpy.run_path({str(ROOT / "setup.py")!r})')
    return json.loads(subprocess.check_output([sys.executable, '-c', code], text=True))


def test_setup(setup_arguments):
    assert setup_arguments['install_requires'] == [entry.pip for entry in of_group('base')]
    assert set(setup_arguments['extras_require']) == {*EXTRAS, 'all'}
    first, last = ((major, minor) for major, minor in requirements.PYTHON)
    named = re.findall(r'Python :: (3\.\d+)', '\n'.join(setup_arguments['classifiers']))
    assert named == [f'3.{minor}' for minor in range(first[1], last[1])]


def test_build_system():
    needs = re.search(r'requires = \["(.*)"\]', (ROOT / 'pyproject.toml').read_text())[1]
    assert needs == find('setuptools').pip


@pytest.mark.parametrize('path', NAMED_IN)
def test_versions_that_are_written_down(path):
    """Wherever a version of a pinned package is named, it is the one."""
    text = (ROOT / path).read_text(encoding='utf-8')
    for entry in REQUIREMENTS:
        name, equals, version = entry.pip.partition('==')
        if equals:
            named = re.findall(rf'\b{name}[ =]+(\d[\w.]*\w)', text, re.IGNORECASE)
            assert set(named) <= {version}, path
    first, end = requirements.PYTHON
    for low, high in re.findall(r'\b(3\.\d+) ?(?:to|-|–) ?(3\.\d+)', text):
        assert (low, high) == (f'3.{first[1]}', f'3.{end[1] - 1}'), path
    for minors in re.findall(r'Python (3\.\d+), (3\.\d+) or (3\.\d+)', text):
        assert list(minors) == [f'3.{minor}' for minor in range(first[1], end[1])], path
    torch = find('PyTorch')
    for low, high in re.findall(r'PyTorch (2\.\d+)\s+to (2\.\d+)', text):
        assert low == torch.minimum, path
        assert int(high[2:]) == int(torch.tested_below[2:]) - 1, path
    for default in re.findall(r'\[TORCH_VERSION\] (\S+)', text):
        assert default == TORCH


def imported_packages():
    """Top-level packages that cdvd_mm imports, at the top of a file or inside a function."""
    found = {}
    for path in sorted((ROOT / 'cdvd_mm').rglob('*.py')):
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module]
            for name in names:
                found.setdefault(name.partition('.')[0], path.relative_to(ROOT))
    return {name: path for name, path in found.items()
            if name not in sys.stdlib_module_names and name != 'cdvd_mm'}


def test_every_import_has_its_requirement():
    known = {entry.module.partition('.')[0] for entry in REQUIREMENTS}
    found = imported_packages()
    assert found.keys() >= {'torch', 'av', 'yaml', 'PIL', 'lmdb'}
    assert not {name: path for name, path in found.items() if name not in known}
