"""Imports run one way: every folder may import only what the table below allows it."""

import ast
import graphlib
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = 'cdvd_mm'

NETWORK_PARTS = {'torch', 'numpy', 'mmengine', 'mmcv', 'cdvd_mm.ops', 'cdvd_mm.registry'}
FILES = {'cdvd_mm.errors', 'cdvd_mm.files', 'cdvd_mm.names', 'cdvd_mm.options', 'cdvd_mm.progress',
         'cdvd_mm.system', 'cdvd_mm.windows'}
DATA = {'numpy', 'cv2', 'PIL', 'torch', 'mmengine', 'mmcv', 'mmagic.datasets', 'cdvd_mm.registry',
        'cdvd_mm.datasets'} | FILES
ENGINE = NETWORK_PARTS | FILES | {'cv2', 'rich', 'mmagic.engine', 'mmagic.visualization'}
INFERENCE = NETWORK_PARTS | FILES | {'cdvd_mm.models', 'cdvd_mm.engine', 'cdvd_mm.weights'}
VIDEO = {'av', 'cv2', 'numpy', 'mmengine', 'PIL', 'cdvd_mm.files', 'cdvd_mm.names'}
# The rooms that stand on top: they may reach all others but each other, and only apis, cli and
# tools import them.
TOP = {'torch', 'numpy', 'cv2', 'PIL', 'rich', 'mmengine', 'mmcv', 'mmagic', 'matplotlib', 'yaml',
       'cdvd_mm.ops', 'cdvd_mm.models', 'cdvd_mm.inference', 'cdvd_mm.video', 'cdvd_mm.datasets',
       'cdvd_mm.evaluation', 'cdvd_mm.engine', 'cdvd_mm.registry', 'cdvd_mm.version',
       'cdvd_mm.weights'} | FILES
# What a room may import beside the standard library and its own modules, by prefix. The most
# specific entry counts; third-party packages that are optional are imported inside functions.
ALLOWED = {
    'cdvd_mm.version': set(),
    'cdvd_mm.errors': {'cdvd_mm.requirements'},
    'cdvd_mm.files': set(),
    'cdvd_mm.names': set(),
    'cdvd_mm.options': set(),
    'cdvd_mm.windows': {'numpy'},
    'cdvd_mm.system': {'torch'},
    'cdvd_mm.progress': {'mmengine', 'rich'},
    'cdvd_mm.registry': {'mmengine', 'mmagic.registry'},
    'cdvd_mm.requirements': set(),
    'cdvd_mm.install': {'cdvd_mm.options', 'cdvd_mm.requirements'},
    'cdvd_mm.run': set(),
    'cdvd_mm.check_env': {'rich', 'cdvd_mm.cli', 'cdvd_mm.options', 'cdvd_mm.requirements',
                          'cdvd_mm.trials'},
    'cdvd_mm.trials': {'torch', 'numpy', 'av', 'mmcv', 'torchvision', 'cdvd_mm.ops',
                       'cdvd_mm.registry'},
    'cdvd_mm.compat': {'torch', 'torchvision', 'numpy', 'mmengine', 'mmcv', 'mmagic', 'safetensors',
                       'yaml', 'cdvd_mm.errors', 'cdvd_mm.ops', 'cdvd_mm.requirements'},
    'cdvd_mm.ops': {'torch', 'triton'},
    'cdvd_mm.weights': {'mmengine', 'safetensors', 'torch', 'cdvd_mm.files'},
    'cdvd_mm.models': NETWORK_PARTS | {'cdvd_mm.windows'},
    'cdvd_mm.models.priors': NETWORK_PARTS,
    'cdvd_mm.models.losses': NETWORK_PARTS,
    'cdvd_mm.models.flow_estimators': NETWORK_PARTS | {'mmflow', 'mmagic.models'},
    'cdvd_mm.models.backbones': NETWORK_PARTS | {'cdvd_mm.models.priors',
                                                 'cdvd_mm.models.protocols'},
    'cdvd_mm.models.restorers': NETWORK_PARTS | {'mmagic.models', 'mmagic.structures',
                                                 'cdvd_mm.models', 'cdvd_mm.windows'},
    'cdvd_mm.inference': INFERENCE,
    'cdvd_mm.video': VIDEO,
    'cdvd_mm.deblur': VIDEO | {'torch', 'rich', 'cdvd_mm.inference', 'cdvd_mm.video',
                               'cdvd_mm.datasets.frame_files', 'cdvd_mm.registry'} | FILES,
    'cdvd_mm.datasets': DATA | {'lmdb'},
    'cdvd_mm.datasets.simulated_camera': DATA | {'av', 'skimage'},
    'cdvd_mm.data_tools': TOP | {'skimage'},
    'cdvd_mm.evaluation': DATA | {'mmagic.evaluation', 'lpips'},
    'cdvd_mm.engine': ENGINE,
    'cdvd_mm.engine.launch': ENGINE | {'cdvd_mm.engine', 'cdvd_mm.evaluation'},
    'cdvd_mm.converters': {'torch', 'mmengine', 'cdvd_mm.models', 'cdvd_mm.files',
                           'cdvd_mm.options', 'cdvd_mm.version'},
    'cdvd_mm.bench': TOP | {'torchvision', 'av', 'skimage', 'cdvd_mm.deblur'},
    'cdvd_mm.web': {'av', 'cv2', 'numpy', 'gradio', 'fastapi', 'uvicorn', 'mmengine',
                    'cdvd_mm.deblur', 'cdvd_mm.inference', 'cdvd_mm.video', 'cdvd_mm.errors',
                    'cdvd_mm.options'},
    'cdvd_mm.reports': TOP | {'cdvd_mm.bench', 'cdvd_mm.data_tools'},
}
# The public face, and the command.
FREE = {'cdvd_mm', 'cdvd_mm.__main__', 'cdvd_mm.apis', 'cdvd_mm.cli'}
# Nothing knows of compat but what has to start it, and what starts processes.
COMPAT_USERS = {'cdvd_mm', 'cdvd_mm.cli', 'cdvd_mm.engine.config', 'cdvd_mm.engine.launch',
                'cdvd_mm.reports.compare.run'}
# What tools may import: they parse arguments, call the package once and show the result. OpenCV's
# number of threads is theirs to set.
TOOLS = {'cdvd_mm', 'mmengine', 'rich', 'cv2'}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix('').parts
    return '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)


def imports(source: str, module: str, is_package: bool) -> set[str]:
    """Full names of all that a module imports, at its top or inside functions."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ''
            if node.level:
                parts = module.split('.')
                keep = len(parts) - node.level + is_package
                base = '.'.join(parts[:keep] + ([node.module] if node.module else []))
            # 'from package import name' may import a module of that name.
            found |= {f'{base}.{alias.name}' for alias in node.names}
    return found


def within(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(prefix + '.')


def violations(source: str, module: str, is_package: bool = False) -> list[str]:
    """What a module imports against the directions."""
    folder = max((name for name in ALLOWED if within(module, name)), key=len, default=None)
    bad = []
    for name in sorted(imports(source, module, is_package)):
        if name.split('.')[0] in sys.stdlib_module_names:
            continue
        if within(name, f'{PACKAGE}.compat') and not within(module, f'{PACKAGE}.compat'):
            if module not in COMPAT_USERS:
                bad.append(f'{module} imports {name}: nothing outside compat knows of it')
        elif folder is not None and not any(
                within(name, prefix) for prefix in ALLOWED[folder] | {folder}):
            bad.append(f'{module} imports {name}: {folder} may import '
                       f'{", ".join(sorted(ALLOWED[folder])) or "nothing"}')
    return bad


def room(module: str) -> str:
    """The folder or file right below the package that a module belongs to."""
    return '.'.join(module.split('.')[:2])


def python_files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob('*.py'))


@pytest.mark.parametrize('path', python_files(PACKAGE), ids=module_name)
def test_directions(path):
    found = violations(path.read_text(encoding='utf-8'), module_name(path),
                       path.name == '__init__.py')
    assert not found, '\n'.join(found)


def package_imports() -> dict[str, set[str]]:
    """Every module of the package, and the modules of the package that it imports."""
    paths = {module_name(path): path for path in python_files(PACKAGE)}
    graph = {}
    for module, path in paths.items():
        names = imports(path.read_text(encoding='utf-8'), module, path.name == '__init__.py')
        found = {next((part for part in (name, name.rpartition('.')[0]) if part in paths), None)
                 for name in names if within(name, PACKAGE)}
        graph[module] = found - {None, module, PACKAGE}
    return graph


def circle(graph: dict[str, set[str]]) -> list[str]:
    """The nodes of one circle in order, or nothing."""
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return error.args[1]
    return []


def test_every_room_has_a_row():
    rooms = {room(module) for module in package_imports()} - FREE
    assert rooms == {room(name) for name in ALLOWED}


def test_no_circle_of_files():
    assert not circle(package_imports())


def test_no_circle_of_rooms():
    graph: dict[str, set[str]] = {}
    for module, names in package_imports().items():
        graph.setdefault(room(module), set()).update(room(name) for name in names)
    for name, others in graph.items():
        others.discard(name)
    assert not circle(graph)


def test_a_circle_is_found():
    assert circle({'a': {'b'}, 'b': {'c'}, 'c': {'a'}})
    assert not circle({'a': {'b', 'c'}, 'b': {'c'}})


@pytest.mark.parametrize('path', python_files('tools'), ids=lambda path: path.stem)
def test_tools_only_call_the_package(path):
    names = imports(path.read_text(encoding='utf-8'), module_name(path), False)
    roots = {name.split('.')[0] for name in names} - sys.stdlib_module_names
    assert roots <= TOOLS
    assert not any(within(name, f'{PACKAGE}.models') for name in names)


def test_mmflow_is_reached_in_one_file():
    """Its registry is filled by one file; compat only prepares its import."""
    files = [path for path in python_files(PACKAGE) if 'compat' not in path.parts and any(
        within(name, 'mmflow') for name in imports(
            path.read_text(encoding='utf-8'), module_name(path), path.name == '__init__.py'))]
    assert len(files) <= 1, files


@pytest.mark.parametrize('module, source', [
    ('cdvd_mm.ops.flow_warp', 'import mmcv'),
    ('cdvd_mm.ops.flow_warp', 'from cdvd_mm.registry import MODELS'),
    ('cdvd_mm.models.priors.prior', 'from mmagic.models import BaseEditModel'),
    ('cdvd_mm.models.backbones.net', 'from ..restorers import CascadedRestorer'),
    ('cdvd_mm.datasets.gopro', 'from cdvd_mm.models import CDVDNet'),
    ('cdvd_mm.datasets.gopro', 'def f():\n    from ..models import CDVDNet'),
    ('cdvd_mm.datasets.gopro', 'from .. import models'),
    ('cdvd_mm.evaluation.metric', 'import cdvd_mm.inference.model'),
    ('cdvd_mm.models.backbones.net', 'import cdvd_mm.compat'),
    ('cdvd_mm.check_env', 'import mmengine'),
    ('cdvd_mm.inference.tiling', 'from cdvd_mm.deblur import job'),
    ('cdvd_mm.video.reader', 'from cdvd_mm.inference import tiling'),
    ('cdvd_mm.engine.loop', 'from cdvd_mm.evaluation import protocols'),
    ('cdvd_mm.bench.macs', 'from cdvd_mm.reports import ablation'),
])
def test_violations_are_found(module, source):
    assert violations(source, module)


@pytest.mark.parametrize('module, source', [
    ('cdvd_mm.ops.flow_warp', 'import math\nimport torch.nn.functional as F\nfrom . import other'),
    ('cdvd_mm.models.backbones.net', 'from ...ops import warp\nfrom ...registry import MODELS'),
    ('cdvd_mm.models.restorers.restorer', 'from mmagic.models import BaseEditModel'),
    ('cdvd_mm.datasets.gopro', 'from ..registry import DATASETS\nfrom .layouts import Video'),
    ('cdvd_mm.engine.launch', 'from cdvd_mm.evaluation import protocols'),
    ('cdvd_mm.bench.macs', 'from cdvd_mm.models import CDVDNet\nfrom cdvd_mm.datasets import dvd'),
])
def test_allowed_imports_pass(module, source):
    assert not violations(source, module)
