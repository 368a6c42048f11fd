"""Sphinx: the guides, and the API reference generated from the docstrings.

Build with ``python -m sphinx -W --keep-going -b html docs/en docs/en/_build``.
"""

import shutil
from pathlib import Path

import cdvd_mm  # first: what it imports next runs on today's PyTorch and NumPy through it

project = 'cdvd_mm'
author = 'The cdvd_mm contributors'
copyright = author  # noqa: A001  (Sphinx reads this name)
release = version = cdvd_mm.__version__

extensions = [
    'myst_parser',
    'sphinx.ext.autodoc',
    'sphinx.ext.autosummary',
    'sphinx.ext.napoleon',
    'sphinx.ext.viewcode',
]
source_suffix = {'.md': 'markdown', '.rst': 'restructuredtext'}
root_doc = 'index'
exclude_patterns = ['_build', 'examples/README.md']
templates_path = ['_templates']
html_theme = 'furo'
html_title = f'cdvd_mm {release}'
html_static_path = []

myst_heading_anchors = 3
myst_enable_extensions = ['colon_fence']

autosummary_generate = True
# Pages of modules that have moved since the last build would stay for ever.
shutil.rmtree(Path(__file__).parent / '_api', ignore_errors=True)
autosummary_imported_members = False
autodoc_typehints = 'signature'
autodoc_member_order = 'bysource'
# Parents document themselves; their docstrings are not held to this package's style.
autodoc_inherit_docstrings = False
autodoc_default_options = {'members': True, 'show-inheritance': True}
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True

# Links to files beside the documentation (configs/*/README.md), which pages on a forge follow;
# tests/test_docs.py holds every link of every page to the files that are there.
suppress_warnings = ['myst.xref_missing']
