"""The README and docs name what is there."""

import ast
import re

import pytest


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


@pytest.mark.parametrize('name', ['README.md', 'docs/en/get_started.md', 'docs/en/data_flow.md'])
def test_links_and_commands_exist(repo_root, name):
    path = repo_root / name
    text = path.read_text(encoding='utf-8')
    links = [link.split('#')[0] for link in re.findall(r'\]\(([^)]+)\)', text)
             if not link.startswith('http')]
    assert not [link for link in links if not (path.parent / link).exists()]
    scripts = re.findall(r'\b(?:tools|configs)/[\w/-]+\.(?:py|sh)', text)
    assert not [script for script in scripts if not (repo_root / script).is_file()]
