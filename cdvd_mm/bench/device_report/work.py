"""``python -m cdvd_mm.bench.device_report.work PART SETTINGS RESULT``: one part, in this process.

RESULT is written anew after every table, so that nothing is lost where time runs out.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from cdvd_mm.files import write_atomically

from .parts import PARTS
from .settings import Settings


def main(name: str, settings: str, result: str) -> None:
    """Run a part.

    Args:
        name (str): A key of ``PARTS``.
        settings (str): File with the :class:`Settings`.
        result (str): File for the tables.
    """
    given = Settings(**json.loads(Path(settings).read_text(encoding='utf-8')))
    tables = []
    for table in PARTS[name].load()(given):
        tables.append(table._asdict())
        write_atomically(result, json.dumps(tables))


if __name__ == '__main__':
    main(*sys.argv[1:])
