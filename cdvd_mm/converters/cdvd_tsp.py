"""Converter of the released CDVD-TSP checkpoints."""

from collections.abc import Mapping

from torch import Tensor

from cdvd_mm.models.backbones.cdvd_net import CDVDNet

from .common import rename_strictly
from .pwcnet import module_name

FLOW = 'flow_estimator.estimator.'
#: part of our restoration network -> the authors' name
PARTS = {
    'in_block': 'inBlock', 'encoder1': 'encoder_first', 'encoder2': 'encoder_second',
    'decoder2': 'decoder_second', 'decoder1': 'decoder_first', 'out_block': 'outBlock',
}


def _original_name(name: str) -> str:
    if name.startswith(FLOW):
        return 'flow_net.moduleNetwork.' + module_name(name.removeprefix(FLOW))
    _, part, rest = name.split('.', 2)
    return f'recons_net.{PARTS[part]}.{rest}'


def convert_cdvd_tsp_state_dict(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the authors' parameters to those of :class:`CDVDNet`.

    The network was trained on RGB: the colour layers stay as they are.

    Args:
        state (Mapping[str, Tensor]): Parameters of the released network
            (``flow_net.moduleNetwork...``, ``recons_net...``).

    Returns:
        dict[str, Tensor]: State dict of ``CDVDNet()``.

    Raises:
        ValueError: If parameters are missing, left over or of other shapes.
    """
    network = CDVDNet()
    names = {name: _original_name(name) for name in network.state_dict()}
    return rename_strictly(state, names, network, 'CDVD-TSP (released network)')
