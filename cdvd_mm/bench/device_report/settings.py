"""What a part is told and what it gives: both go from process to process as JSON."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

from cdvd_mm.inference.model import select_device
from cdvd_mm.system import has_fast_bf16


@dataclasses.dataclass(frozen=True)
class Settings:
    """What a part is told.

    Args:
        device (str): cpu, cuda or cuda:N.
        folder (str): Of the report; parts may write below it.
        config (str): Of the network whose speed is measured.
        checkpoint (str, optional): Its weights.
        cfg_options (dict, optional): Settings that override the config's.
        sizes (list): Width and height of the frames, the most important first.
        patch (int): Side of the patches of training.
        video (str, optional): A clip of one's own.
        tests (str): The tests to run, an expression for pytest's ``-k``.
        seconds (float): Time for this part; what it takes longer is cut off.
    """

    device: str
    folder: str
    config: str
    checkpoint: str | None
    cfg_options: dict[str, Any] | None
    sizes: list[list[int]]
    patch: int
    video: str | None
    tests: str
    seconds: float = 60.

    @property
    def on_gpu(self) -> bool:
        """Whether the device is a GPU."""
        return self.device.startswith('cuda')

    @property
    def precisions(self) -> list[str]:
        """The precisions that the device computes in by itself."""
        if self.on_gpu:
            return ['fp32', 'tf32', 'fp16', 'bf16']
        return ['fp32', 'bf16'] if has_fast_bf16(select_device(self.device)) else ['fp32']


class Table(NamedTuple):
    """What a part found.

    Args:
        title (str): Its heading.
        lines (list[str]): Markdown.
        figures (Any): The same as numbers, for the JSON report.
        place (str): Where it stands in the docs, see ``docs.py``; '': nowhere.
        wrong (str): What is not as it should be; '': nothing.
    """

    title: str
    lines: list[str]
    figures: Any = None
    place: str = ''
    wrong: str = ''


def markdown(columns: list[str], rows: list[list[Any]]) -> list[str]:
    """The lines of a Markdown table."""
    cells = [[str(value).replace('|', '\\|') for value in row] for row in [columns, *rows]]
    lines = ['| ' + ' | '.join(row) + ' |' for row in cells]
    return [lines[0], '|' + '---|' * len(columns), *lines[1:]]
