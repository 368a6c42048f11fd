"""Packaging of cdvd_mm.

PyTorch, torchvision, mmcv, MMagic and MMFlow are put in place by ``cdvd-mm install`` (in a checkout
``tools/install.sh``): MMagic and MMFlow without the generative dependencies that their wheels ask
for, mmcv-lite only where no mmcv is there yet. They are therefore not requirements of this file.
"""

import runpy
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
VERSION = runpy.run_path(str(ROOT / 'cdvd_mm' / 'version.py'))['__version__']
VERSIONS = runpy.run_path(str(ROOT / 'cdvd_mm' / 'requirements.py'))

EXTRAS = {name: [entry.pip for entry in VERSIONS['of_group'](name)] for name in VERSIONS['EXTRAS']}
EXTRAS['all'] = sorted({name for names in EXTRAS.values() for name in names})

MIM = ('configs', 'tools', 'model-index.yml')
"""What OpenMMLab's tools look for in the folder ``.mim`` of a package."""


class BuildWithMim(build_py):
    """Puts ``MIM`` into the package: copies in a wheel, links in a checkout (editable)."""

    def run(self) -> None:
        """Build, then add the folder."""
        folder = ROOT / 'cdvd_mm' if self.editable_mode else Path(self.build_lib) / 'cdvd_mm'
        # what an earlier build left here must not get into this one
        shutil.rmtree(folder / '.mim' if self.editable_mode else folder, ignore_errors=True)
        super().run()
        (folder / '.mim').mkdir(parents=True)
        for name in MIM:
            source, target = ROOT / name, folder / '.mim' / name
            if self.editable_mode:
                target.symlink_to(Path('..', '..', name))
            elif source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns('__pycache__'))
            else:
                shutil.copy2(source, target)


setup(
    name='cdvd_mm',
    version=VERSION,
    description='Cascaded deep video deblurring with a temporal sharpness prior, for MMagic',
    long_description=(ROOT / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    keywords='video deblurring, video restoration, CDVD-TSP, MMagic, OpenMMLab',
    packages=find_packages(include=['cdvd_mm', 'cdvd_mm.*']),
    package_data={'cdvd_mm': ['py.typed', 'weights/*', 'web/static/*']},
    cmdclass={'build_py': BuildWithMim},
    entry_points={'console_scripts': ['cdvd-mm = cdvd_mm.cli:main']},
    python_requires=VERSIONS['python_requires'](),
    install_requires=[entry.pip for entry in VERSIONS['of_group']('base')],
    extras_require=EXTRAS,
    classifiers=[
        'Development Status :: 4 - Beta',
        'Intended Audience :: Science/Research',
        'Operating System :: POSIX :: Linux',
        'Programming Language :: Python :: 3.10',
        'Programming Language :: Python :: 3.11',
        'Programming Language :: Python :: 3.12',
        'Topic :: Scientific/Engineering :: Image Processing',
        'Typing :: Typed',
    ],
    zip_safe=False,
)
