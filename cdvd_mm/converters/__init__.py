"""Converters of the authors' checkpoints to this package's names: a table, and a file a format."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Converter:
    """A published format that can be converted.

    Attributes:
        what (str): The checkpoints it takes, for people.
        module (str): Module of this package.
        function (str): Its function ``(source, target) -> state dict as written``.
        trained_on (str): 'rgb' or 'bgr': the colour order that the authors' network was trained
            in. Converted networks take and give RGB: where it is 'bgr', the converter turns the
            first and the last layer around.
    """

    what: str
    module: str
    function: str
    trained_on: str

    def load(self) -> Callable[..., dict]:
        """Import the function; only now, as it brings the networks along."""
        return getattr(importlib.import_module(f'{__name__}.{self.module}'), self.function)


CONVERTERS = {
    'cdvd-tsp': Converter("CDVD-TSP, the authors' CDVD_TSP_*.pt", 'cdvd_tsp', 'convert_cdvd_tsp',
                          trained_on='rgb'),
    'cdvd-tspnl': Converter("CDVD-TSPNL, the authors'", 'cdvd_nl', 'convert_cdvd_nl',
                            trained_on='rgb'),
    'dstnet-plus': Converter("DSTNet+ of any size, the authors'", 'dstnet_plus',
                             'convert_dstnet_plus', trained_on='rgb'),
    'edvr': Converter("EDVR for deblurring, BasicSR's names", 'edvr', 'convert_edvr',
                      trained_on='rgb'),
    # network-default.pytorch as it lies in CDVD-TSP is fed RGB; see convert_pwcnet's options
    'pwcnet': Converter("PWC-Net, the authors' pwc_net.pth.tar and two other forms", 'pwcnet',
                        'convert_pwcnet', trained_on='bgr'),
    'raft-small': Converter("RAFT-small, the authors' raft-small.pth", 'raft_small',
                            'convert_raft_small', trained_on='rgb'),
    'stfan': Converter("STFAN, the authors' best-ckpt.pth.tar", 'stfan', 'convert_stfan',
                       trained_on='bgr'),
}
"""By the name that the converter tool takes."""
