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
        function (str): ``module:function`` of this room: the function maps the authors' state dict
            to that of a network of this package.
        trained_on (str): 'rgb' or 'bgr': the colour order that the authors' network was trained
            in (of DSTNet+ assumed). Converted networks take and give RGB: where it is 'bgr', the
            converter turns the first and the last layer around.
        prefix (str): Put in front of every name: where a restorer keeps its network. '' for flow
            networks, which ``init_cfg`` loads on their own.
        options (tuple[str, ...]): What the function can be told besides.
        takes_meta (bool): The function wants what the file holds under 'meta' as well.
    """

    what: str
    function: str
    trained_on: str
    prefix: str = 'generator.'
    options: tuple[str, ...] = ()
    takes_meta: bool = False

    def load(self) -> Callable[..., dict]:
        """Import the function; only now, as it brings the networks along."""
        module, function = self.function.split(':')
        return getattr(importlib.import_module(f'{__name__}.{module}'), function)


CONVERTERS = {
    'cdvd-tsp': Converter("CDVD-TSP, the authors' CDVD_TSP_*.pt",
                          'cdvd_tsp:convert_cdvd_tsp_state_dict', trained_on='rgb'),
    'cdvd-tspnl': Converter("CDVD-TSPNL, the authors'", 'cdvd_nl:convert_cdvd_nl_state_dict',
                            trained_on='rgb'),
    'dstnet-plus': Converter("DSTNet+ of any size, the authors'",
                             'dstnet_plus:convert_dstnet_plus_state_dict', trained_on='rgb'),
    'edvr': Converter("EDVR for deblurring, BasicSR's names", 'edvr:convert_edvr_state_dict',
                      trained_on='rgb'),
    'estrnn': Converter("ESTRNN of any size, the authors'", 'estrnn:convert_estrnn_state_dict',
                        trained_on='bgr'),
    # network-default.pytorch as it lies in CDVD-TSP is fed RGB; see the function's options
    'pwcnet': Converter("PWC-Net, the authors' pwc_net.pth.tar and two other forms",
                        'pwcnet:convert_pwcnet_state_dict', trained_on='bgr', prefix='',
                        options=('channel_order', 'correlation'), takes_meta=True),
    'raft-small': Converter("RAFT-small, the authors' raft-small.pth",
                            'raft_small:convert_raft_small_state_dict', trained_on='rgb',
                            prefix=''),
    'stfan': Converter("STFAN, the authors' best-ckpt.pth.tar", 'stfan:convert_stfan_state_dict',
                       trained_on='bgr'),
}
"""By the name that the converter tool takes."""


def convert(name: str, source: str, target: str, **options: str | None) -> dict:
    """Convert a published checkpoint into one of this package.

    The target appears complete or not at all.

    Args:
        name (str): A key of :data:`CONVERTERS`.
        source (str): The published file, bare or wrapped (``params_ema``, ``state_dict`` ...; the
            log says what was taken).
        target (str): Checkpoint to write; its folder is made.
        **options (str, optional): Those of the format; None leaves one as it is.

    Returns:
        dict[str, Tensor]: The state dict as written.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: An unknown name or option, a file that cannot be read, or one of another
            network, or not all of it; what is missing or left over is named.
    """
    if name not in CONVERTERS:
        raise ValueError(f'no converter {name!r}; choose from {", ".join(CONVERTERS)}')
    converter = CONVERTERS[name]
    options = {key: value for key, value in options.items() if value is not None}
    unknown = sorted(set(options) - set(converter.options))
    if unknown:
        raise ValueError(f'the converter {name} has no {" nor ".join(unknown)}; it takes '
                         f'{", ".join(converter.options) or "no options"}')
    from .common import read_checkpoint, write_checkpoint
    state, meta = read_checkpoint(source)
    extra = {'meta': meta} if converter.takes_meta else {}
    converted = converter.load()(state, **options, **extra)
    converted = {converter.prefix + key: value for key, value in converted.items()}
    write_checkpoint(converted, target, converted_from=source)
    return converted
