"""The README and docs name what is there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def registered(path):
    """Names of the classes that a file registers."""
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.ClassDef) and any(
                'register_module' in ast.unparse(entry) for entry in node.decorator_list):
            yield node.name


def test_every_registered_module_is_in_the_table(repo_root):
    table = (repo_root / 'README.md').read_text(encoding='utf-8')
    names = {name for path in (repo_root / 'cdvd_mm').rglob('*.py') for name in registered(path)}
    assert names >= {'CDVDNet', 'CascadedRestorer', 'GoProDataset'}
    assert not {name for name in names if f'`{name}`' not in table}


PAGES = [path.relative_to(ROOT).as_posix() for path in (
    ROOT / 'README.md', ROOT / 'CONTRIBUTING.md', *sorted((ROOT / 'docs/en').glob('*.md')),
    *sorted((ROOT / 'configs').glob('*/README.md')))]


@pytest.mark.parametrize('name', PAGES)
def test_links_and_commands_exist(name):
    path = ROOT / name
    text = path.read_text(encoding='utf-8')
    links = [link.split('#')[0] for link in re.findall(r'\]\(([^)\s]+)\)', text)
             if not link.startswith('http')]
    assert not [link for link in links if not (path.parent / link).exists()]
    scripts = re.findall(r'(?<![\w/.])(?:tools|configs)/[\w/-]+\.(?:py|sh)', text)
    assert not [script for script in scripts if not (ROOT / script).is_file()]


def test_every_page_is_in_the_index():
    index = (ROOT / 'docs/en/index.md').read_text(encoding='utf-8').split()
    pages = {path.stem for path in (ROOT / 'docs/en').glob('*.md')} - {'index'}
    assert pages <= set(index)


def test_files_of_the_data_flow_exist():
    text = (ROOT / 'docs/en/data_flow.md').read_text(encoding='utf-8')
    files = set(re.findall(r'`((?:\w+/)*\w+(?:\.py|/))`', text))
    assert len(files) > 20
    missing = [name for name in files if not (ROOT / 'cdvd_mm' / name).exists()
               and not (ROOT / name).exists()]
    assert not missing
