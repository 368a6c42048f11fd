"""How a network is to be run on frames."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from cdvd_mm.options import option

PRECISIONS = ('fp32', 'tf32', 'fp16', 'bf16')
DEFAULT_OVERLAP = 96


def _number_or_word(unit: str) -> Callable[[str], int | str | None]:
    """A parser of 'auto', 'none' or a number; it raises ValueError for anything else."""

    def parse(text: str) -> int | str | None:
        if text.lower() in ('auto', 'none'):
            return None if text.lower() == 'none' else 'auto'
        try:
            return int(text)
        except ValueError as error:
            raise ValueError(f'expected a number of {unit}, auto or none, found '
                             f'{text!r}') from error

    return parse


parse_tile = _number_or_word('pixels')
parse_clip_length = _number_or_word('frames')


@dataclasses.dataclass(frozen=True, kw_only=True)
class InferenceOptions:
    """How the network is run."""

    device: str = option('auto', 'auto (the first GPU, or the CPU), cpu, cuda or cuda:N')
    precision: str = option('auto', 'of the restoration network (flow stays in 32 bits); auto: '
                            'bf16 on a processor that has it, where no difference is seen',
                            choices=('auto', *PRECISIONS))
    tile: int | str | None = option('auto', 'side of overlapping tiles, auto (where memory is '
                                    'short) or none', metavar='PIXELS', convert=parse_tile)
    overlap: int = option(DEFAULT_OVERLAP, 'overlap of tiles', flag='--tile-overlap',
                          metavar='PIXELS')
    clip_length: int | str | None = option(
        'auto', 'frames that a network of clips gets at once, auto (as configured, less where '
        'memory is short) or none (the whole video)', metavar='FRAMES', convert=parse_clip_length)
    clip_overlap: int | None = option(
        None, 'frames that neighbouring clips have in common', metavar='FRAMES',
        shown_default='8, or a quarter of shorter clips')
    compile: bool = option(False, 'use torch.compile')
    graphs: bool = option(False, 'record the steps of the network as CUDA graphs, on a GPU')
