"""Generated tables in the docs: of each kind one for every device that was measured.

A page has a place for a kind, ``<!-- measured: inference -->`` to ``<!-- end of measured -->``;
between them lie the tables of devices, each between marks of its own. A new measurement replaces
those of its device.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from cdvd_mm.files import write_atomically

from .settings import Table

PAGES = ('benchmark.md', 'training.md')
_PLACE = re.compile(r'<!-- measured: (?P<kind>\w+) -->\n(?P<inner>.*?)<!-- end of measured -->',
                    re.DOTALL)
_DEVICE = re.compile(r'<!-- on: (?P<name>.*?) -->\n.*?<!-- end of on -->\n', re.DOTALL)


def write_docs(folder: Path, device: str, tables: Iterable[Table], note: str) -> None:
    """Put the tables where they belong in ``benchmark.md`` and ``training.md``.

    Args:
        folder (Path): Of the pages.
        device (str): What was measured.
        tables (Iterable[Table]): Those without a place are left out.
        note (str): A sentence on how.

    Raises:
        FileNotFoundError: A page is not there.
        ValueError: No page has a place for a table.
    """
    kinds: dict[str, list[Table]] = {}
    for table in tables:
        if table.place:
            kinds.setdefault(table.place, []).append(table)
    pages = {folder / name: (folder / name).read_text(encoding='utf-8') for name in PAGES}
    known = {found['kind'] for text in pages.values() for found in _PLACE.finditer(text)}
    if kinds.keys() - known:
        raise ValueError(f'{folder}: no page has a place for {", ".join(kinds.keys() - known)}; '
                         "expected '<!-- measured: KIND -->' and '<!-- end of measured -->'")
    for path, text in pages.items():
        after = update_page(text, device, kinds, note)
        if after != text:
            write_atomically(path, after)


def update_page(text: str, device: str, kinds: dict[str, list[Table]], note: str) -> str:
    """The page with the tables of a device in their places."""
    def place(found: re.Match[str]) -> str:
        if found['kind'] not in kinds:
            return found[0]
        blocks = {block['name']: block[0] for block in _DEVICE.finditer(found['inner'])}
        blocks[device] = _block(device, kinds[found['kind']], note)
        return f'<!-- measured: {found["kind"]} -->\n{"".join(blocks.values())}' \
            '<!-- end of measured -->'

    return _PLACE.sub(place, text)


def _block(device: str, tables: Sequence[Table], note: str) -> str:
    lines = [f'<!-- on: {device} -->', '', f'**{device}.** {note}', '']
    for table in tables:
        lines += [f'*{table.title}*', '', *table.lines, '']
    return '\n'.join([*lines, '<!-- end of on -->', ''])
