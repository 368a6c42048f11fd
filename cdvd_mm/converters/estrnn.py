"""Converter of the released ESTRNN checkpoints."""

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from cdvd_mm.models.backbones.estrnn_net import ESTRNNNet

from .common import exchange_colours, rename_strictly

#: start of our names -> the authors' names
RULES = [
    (r'cell\.encoder\.0\.', 'cell.F_B0.'),
    (r'cell\.encoder\.([12])\.0\.', r'cell.F_B\1.rdb.'),
    (r'cell\.encoder\.([12])\.1\.', r'cell.F_B\1.down_sampling.'),
    (r'cell\.dense_blocks\.blocks\.', 'cell.F_R.RDBs.'),
    (r'cell\.dense_blocks\.fuse\.0\.', 'cell.F_R.conv1x1.'),
    (r'cell\.dense_blocks\.fuse\.1\.', 'cell.F_R.conv3x3.'),
    (r'cell\.to_state\.', 'cell.F_h.'),
    (r'attention\.gate\.', 'fusion.F_f.'),
    (r'attention\.body\.', 'fusion.F_p.'),
    (r'attention\.condense\.', 'fusion.condense.'),
    (r'attention\.fuse\.', 'fusion.fusion.'),
    (r'decoder\.', 'recons.model.'),
]
DENSE_CONV = re.compile(r'\.convs\.(\d)\.')


def _original_name(name: str) -> str:
    for pattern, replacement in RULES:
        name = re.sub('^' + pattern, replacement, name)
    name = DENSE_CONV.sub(r'.dense_layers.\1.conv.', name)
    # what is left of this name is a dense block's own fusion
    return name.replace('.fuse.', '.conv1x1.')


def convert_estrnn_state_dict(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the authors' parameters to those of :class:`ESTRNNNet`.

    Channels and blocks are read off the checkpoint, so that all released forms
    convert. The network was trained on BGR: its first and its last layer are
    turned around.

    Args:
        state (Mapping[str, Tensor]): Parameters by the authors' names, without
            ``module.model.`` in front.

    Returns:
        dict[str, Tensor]: State dict of ``ESTRNNNet`` in that form.

    Raises:
        ValueError: If parameters are missing, left over or of other shapes.
    """
    options: dict[str, Any] = {}
    if 'cell.F_B0.weight' in state:
        blocks = {re.sub(r'^.*RDBs\.(\d+)\..*$', r'\1', key) for key in state if 'RDBs.' in key}
        options = dict(mid_channels=state['cell.F_B0.weight'].shape[0],
                       num_blocks=max(1, len(blocks)))
    network = ESTRNNNet(**options)
    names = {name: _original_name(name) for name in network.state_dict()}
    converted = rename_strictly(state, names, network, 'ESTRNN')
    return exchange_colours(converted, first=['cell.encoder.0'], last=['decoder.2'])
