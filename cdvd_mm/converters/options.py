"""What can be asked of the converters."""

from __future__ import annotations

import dataclasses

from cdvd_mm.options import option, positional

from . import CONVERTERS


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConvertOptions:
    """Convert a published checkpoint into one of this package; the result takes and gives RGB.

    Example: convert cdvd-tsp CDVD_TSP_GOPRO.pt checkpoints/cdvd_gopro.pth
    """

    name: str = positional(
        'what it is: ' + '; '.join(f'{name}: {converter.what}'
                                   for name, converter in CONVERTERS.items()),
        metavar='NAME', choices=tuple(CONVERTERS))
    source: str = positional('the published file', metavar='SOURCE')
    target: str = positional('checkpoint to write', metavar='TARGET')
    channel_order: str | None = option(
        None, 'pwcnet: what the network was trained on', choices=('rgb', 'bgr'),
        shown_default="bgr for the authors' file and for one of MMFlow's training, rgb otherwise")
    correlation: str | None = option(
        None, 'pwcnet: over the channels', choices=('mean', 'sum'),
        shown_default="sum, MMFlow's scaled=False, for a file of MMFlow's training, mean otherwise")
