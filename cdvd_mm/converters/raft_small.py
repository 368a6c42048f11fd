"""Converter of the authors' RAFT-small to MMFlow's names."""

import re
from collections.abc import Mapping

from torch import Tensor

from cdvd_mm.models.flow_estimators.mmflow_estimator import RAFT_SMALL, build_network

from .common import rename_strictly

#: pattern of MMFlow's names -> the authors' names
RULES = [
    (r'encoder\.', 'fnet.'),
    (r'context\.', 'cnet.'),
    (r'decoder\.encoder\.corr_net\.0\.conv\.', 'update_block.encoder.convc1.'),
    (r'decoder\.encoder\.flow_net\.0\.conv\.', 'update_block.encoder.convf1.'),
    (r'decoder\.encoder\.flow_net\.1\.conv\.', 'update_block.encoder.convf2.'),
    (r'decoder\.encoder\.out_net\.0\.conv\.', 'update_block.encoder.conv.'),
    (r'decoder\.gru\.conv_([zrq])\.0\.conv\.', r'update_block.gru.conv\1.'),
    (r'decoder\.flow_pred\.layers\.0\.conv\.', 'update_block.flow_head.conv1.'),
    (r'decoder\.flow_pred\.predict_layer\.', 'update_block.flow_head.conv2.'),
]


def _original_name(name: str) -> str:
    for pattern, replacement in RULES:
        name, found = re.subn('^' + pattern, replacement, name)
        if found:
            break
    return name.replace('.res_layer', '.layer')


def convert_raft_small_state_dict(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the authors' parameters to those of MMFlow's RAFT in small form.

    The network was trained on RGB: the colour layers stay as they are.

    Args:
        state (Mapping[str, Tensor]): Parameters of ``raft-small.pth``.

    Returns:
        dict[str, Tensor]: State dict of the network ``RAFT_SMALL``, see
        :mod:`cdvd_mm.models.flow_estimators.mmflow_estimator`.

    Raises:
        ValueError: If parameters are missing, left over or of other shapes.
    """
    network = build_network(RAFT_SMALL)
    names = {name: _original_name(name) for name in network.state_dict()}
    return rename_strictly(state, names, network, "RAFT-small (the authors')")
