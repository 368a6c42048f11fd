"""``cdvd-mm convert``: what it says when it is done."""

from __future__ import annotations

import sys

from . import CONVERTERS
from . import convert as convert_checkpoint
from .options import ConvertOptions


def convert(options: ConvertOptions) -> None:
    """Convert, and say what was written."""
    state = convert_checkpoint(options.name, options.source, options.target,
                               channel_order=options.channel_order,
                               correlation=options.correlation)
    number = sum(value.numel() for value in state.values())
    sys.stdout.write(f'{options.target}: {number:,} parameters, trained on '
                     f'{CONVERTERS[options.name].trained_on.upper()}, now for RGB\n')
