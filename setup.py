"""Packaging of cdvd_mm.

PyTorch, torchvision, mmcv, MMagic and MMFlow are put in place by
``tools/install.sh``: MMagic and MMFlow without the generative dependencies that
their wheels ask for, mmcv-lite only where no mmcv is there yet. They are
therefore not requirements of this file.
"""

from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent


def read_version() -> str:
    """Read ``__version__`` without importing the package."""
    scope: dict = {}
    exec((ROOT / 'cdvd_mm' / 'version.py').read_text(encoding='utf-8'), scope)
    return scope['__version__']


INSTALL_REQUIRES = [
    'mmengine==0.10.7',
    'numpy>=1.26',
    'opencv-python>=4.8',
    'rich',
    # What MMagic and MMFlow import for video restoration.
    'click',
    'einops',
    'imageio',
    'packaging',
    'Pillow>=10.1',
    'requests',
    'scipy',
    'tensorboard',
    'tqdm',
    # mmengine and mmcv use pkg_resources, which setuptools 82 dropped.
    'setuptools<82',
]

EXTRAS = {
    'video': ['av>=17'],
    'data': ['lmdb'],
    'figures': ['matplotlib', 'scikit-image>=0.22'],
    'tests': ['hypothesis', 'pytest>=8', 'pytest-timeout', 'ruff'],
}
EXTRAS['all'] = sorted({name for names in EXTRAS.values() for name in names})

setup(
    name='cdvd_mm',
    version=read_version(),
    description='Cascaded deep video deblurring with a temporal sharpness prior, for MMagic',
    long_description=(ROOT / 'README.md').read_text(encoding='utf-8')
    if (ROOT / 'README.md').is_file() else '',
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    keywords='video deblurring, video restoration, CDVD-TSP, MMagic, OpenMMLab',
    packages=find_packages(include=['cdvd_mm', 'cdvd_mm.*']),
    python_requires='>=3.10,<3.13',
    install_requires=INSTALL_REQUIRES,
    extras_require=EXTRAS,
    classifiers=[
        'Development Status :: 4 - Beta',
        'Intended Audience :: Science/Research',
        'Operating System :: POSIX :: Linux',
        'Programming Language :: Python :: 3.10',
        'Programming Language :: Python :: 3.11',
        'Programming Language :: Python :: 3.12',
        'Topic :: Scientific/Engineering :: Image Processing',
    ],
    zip_safe=False,
)
