"""The one place that knows versions: of Python, PyTorch, MMagic and all the rest.

setup.py, ``cdvd_mm.install`` (and with it tools/install.sh), ``cdvd_mm.check_env`` and the warning
on import read it; a test holds the documentation to it. Needs the standard library alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

INSTALL = 'cdvd-mm install'

PYTHON = ((3, 10), (3, 13))
"""The first version of Python that fits, and the first that does not any more."""

TORCH = '2.11.0'
"""The PyTorch to install where there is none and none is asked for."""

EXTRAS = ('video', 'web', 'data', 'figures', 'heif', 'tests')
"""What can be left out of an installation, see ``Requirement.group``."""


@dataclass(frozen=True)
class Requirement:
    """A package, the versions that fit, and how to get it.

    Attributes:
        name (str): Name in the table.
        module (str): Module to import as the proof that it works; '' for a program.
        distributions (tuple[str, ...]): Any of these provides it; the first is the usual one.
        group (str): 'torch', 'parents' (installed without their dependencies), 'base' (every
            installation has it), one of ``EXTRAS``, or '' (never installed by us).
        minimum (str): Lowest version that fits; '' for any.
        below (str): First version that does not fit any more; '' for none.
        tested_below (str): Versions from here on are untested, which is a warning.
        pick (str): The version that is installed where any of several would fit.
        purpose (str): What it is for.
    """

    name: str
    module: str
    distributions: tuple[str, ...]
    group: str
    minimum: str = ''
    below: str = ''
    tested_below: str = ''
    pick: str = ''
    purpose: str = ''

    @property
    def required(self) -> bool:
        """Whether cdvd_mm works at all without it."""
        return self.group in ('torch', 'parents', 'base')

    @property
    def specifier(self) -> str:
        """The versions that fit, as pip writes them."""
        if self.minimum and self.below == _next_release(self.minimum):
            return f'=={self.minimum}'
        parts = [f'>={self.minimum}'] if self.minimum else []
        return ','.join(parts + ([f'<{self.below}'] if self.below else []))

    @property
    def pip(self) -> str:
        """What to tell pip: ``'av>=17,<19'``."""
        return self.distributions[0] + (f'=={self.pick}' if self.pick else self.specifier)

    @property
    def expected(self) -> str:
        """The versions that fit, in words."""
        return in_words(self.specifier)

    @property
    def get(self) -> str:
        """How to get it."""
        if self.group in EXTRAS:
            return f"{INSTALL} --extras {self.group}, or pip install '{self.pip}'"
        if self.group:
            return INSTALL
        return f'pip install {self.distributions[0]}'


def release(version: str) -> tuple[int, ...]:
    """Numbers of a version, without its pre-release and local parts: '2.11.0+cpu' is (2, 11, 0).

    Trailing zeros are dropped, so that '2.1' equals '2.1.0'.
    """
    match = re.match(r'\d+(?:\.\d+)*', version)
    numbers = [int(part) for part in match[0].split('.')] if match else []
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def in_words(specifier: str) -> str:
    """Versions as pip writes them, for people: '>= 17, < 19', '0.10.7', 'any'."""
    return re.sub(r'([<>]=?|,)', r'\1 ', specifier).removeprefix('==') or 'any'


def python_requires() -> str:
    """The versions of Python that fit, as pip writes them."""
    first, end = ('.'.join(map(str, version)) for version in PYTHON)
    return f'>={first},<{end}'


def torchvision_for(torch_version: str) -> str:
    """The torchvision that is compiled for a PyTorch: ``'0.26.*'`` for 2.11.0."""
    return f'0.{(release(torch_version) + (0, 0))[1] + 15}.*'


def numpy_limit(torch_version: str) -> str:
    """First NumPy whose arrays a PyTorch cannot take; '' where there is none."""
    return '2' if release(torch_version) < (2, 3) else ''


def _next_release(version: str) -> str:
    """The first version after all pre- and post-releases of this one: 2.0.1 gives 2.0.2."""
    *head, last = re.findall(r'\d+', version.partition('rc')[0])
    return '.'.join([*head, str(int(last) + 1)])


def _exact(name: str, module: str, distributions: Sequence[str], group: str, version: str,
           purpose: str) -> Requirement:
    return Requirement(name, module, tuple(distributions), group, version, _next_release(version),
                       purpose=purpose)


def _any(module: str, distribution: str, group: str, purpose: str, minimum: str = '',
         below: str = '') -> Requirement:
    return Requirement(distribution, module, (distribution,), group, minimum, below,
                       purpose=purpose)


REQUIREMENTS: tuple[Requirement, ...] = (
    Requirement('PyTorch', 'torch', ('torch',), 'torch', '2.1', tested_below='2.15'),
    Requirement('torchvision', 'torchvision', ('torchvision',), 'torch', '0.16',
                purpose='deformable convolution'),
    # MMagic, MMFlow, mmengine and mmcv agree with each other at these versions only.
    Requirement('mmcv', 'mmcv', ('mmcv-lite', 'mmcv'), 'parents', '2.0.0', '2.1.0', pick='2.0.1',
                purpose='either form: compiled, or mmcv-lite'),
    _exact('MMagic', 'mmagic.models', ['mmagic'], 'parents', '1.2.0', 'models, datasets, metrics'),
    _exact('MMFlow', 'mmflow.models', ['mmflow'], 'parents', '1.0.0rc0', 'flow networks'),
    _exact('mmengine', 'mmengine', ['mmengine', 'mmengine-lite'], 'base', '0.10.7',
           'runner, configs'),
    Requirement('NumPy', 'numpy', ('numpy',), 'base', '1.26'),
    Requirement('OpenCV', 'cv2', ('opencv-python', 'opencv-python-headless',
                                  'opencv-contrib-python'), 'base', '4.8'),
    _any('click', 'click', 'base', 'needed by MMagic'),
    _any('einops', 'einops', 'base', 'needed by MMagic'),
    _any('imageio', 'imageio', 'base', 'needed by MMagic'),
    _any('packaging', 'packaging', 'base', 'needed by mmcv'),
    _any('PIL', 'pillow', 'base', 'sizes of pictures', '10.1'),
    _any('yaml', 'pyyaml', 'base', 'metafiles'),
    _any('requests', 'requests', 'base', 'needed by MMagic'),
    _any('rich', 'rich', 'base', 'progress bar, tables'),
    _any('safetensors', 'safetensors', 'base', 'the weights that come with the package'),
    _any('scipy', 'scipy', 'base', 'needed by MMagic'),
    _any('pkg_resources', 'setuptools', 'base', 'pkg_resources, which mmengine and mmcv use', '64',
         '82'),
    _any('tensorboard', 'tensorboard', 'base', 'training curves'),
    _any('tqdm', 'tqdm', 'base', 'needed by MMagic'),
    # 19 has no metadata_errors any more, without which a video with odd tags cannot be opened.
    _any('av', 'av', 'video', 'reading and writing video files', '17', '19'),
    _exact('Gradio', 'gradio', ['gradio'], 'web', '6.31.0', 'the page of cdvd-mm web'),
    _any('fastapi', 'fastapi', 'web', 'comes with Gradio'),
    _any('uvicorn', 'uvicorn', 'web', 'comes with Gradio'),
    _any('lmdb', 'lmdb', 'data', 'datasets packed into one file'),
    _any('matplotlib', 'matplotlib', 'figures', 'comparison figures'),
    _any('skimage', 'scikit-image', 'figures', 'photographs of the demo', '0.22'),
    _any('pillow_heif', 'pillow-heif', 'heif', 'HEIC pictures in folders of frames', '1'),
    _any('pytest', 'pytest', 'tests', 'test suite', '8'),
    _any('pytest_timeout', 'pytest-timeout', 'tests', 'test suite'),
    _any('hypothesis', 'hypothesis', 'tests', 'test suite'),
    _any('selenium', 'selenium', 'tests', 'tests of the page', '4.20'),
    _any('', 'ruff', 'tests', 'style'),
    _any('', 'mypy', 'tests', 'types'),
    _any('wheel', 'wheel', 'tests', 'test of the wheel'),
    _any('sphinx', 'sphinx', 'tests', 'API reference', '8'),
    _any('myst_parser', 'myst-parser', 'tests', 'API reference'),
    _any('furo', 'furo', 'tests', 'API reference'),
    _any('triton', 'triton', '', 'fast kernels on a GPU; comes with PyTorch for CUDA'),
    _any('lpips', 'lpips', '', 'LPIPS metric'),
)


def of_group(*groups: str) -> list[Requirement]:
    """The requirements of some groups, see ``Requirement.group``."""
    return [requirement for requirement in REQUIREMENTS if requirement.group in groups]


def find(name: str) -> Requirement:
    """The requirement of that name in the table."""
    return next(requirement for requirement in REQUIREMENTS if requirement.name == name)
