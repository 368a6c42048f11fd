"""How a network is to be run on frames."""

from __future__ import annotations

import dataclasses

from cdvd_mm.options import option

PRECISIONS = ('fp32', 'tf32', 'fp16', 'bf16')
DEFAULT_OVERLAP = 96


def parse_tile(text: str) -> int | str | None:
    """'auto', 'none' or a number of pixels.

    Raises:
        ValueError: Something else.
    """
    if text.lower() in ('auto', 'none'):
        return None if text.lower() == 'none' else 'auto'
    try:
        return int(text)
    except ValueError as error:
        raise ValueError(f'expected a number of pixels, auto or none, found {text!r}') from error


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
    compile: bool = option(False, 'use torch.compile')
