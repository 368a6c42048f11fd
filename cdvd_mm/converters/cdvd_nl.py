"""Converter of the released CDVD-TSPNL checkpoints."""

import re
from collections.abc import Mapping

from torch import Tensor

from cdvd_mm.models.backbones.cdvd_net_nl import CDVDNetNL

from .common import rename_strictly

#: start of our names -> the authors' names
RULES = [
    (r'flow_estimator\.estimator\.', 'spynet.'),
    (r'extractor\.0\.', 'extractor_2dres.conv.'),
    (r'non_local\.(down|up)sample\.', r'conv_\1sample.'),
    (r'non_local\.attention\.to_([qkv])\w+\.', r'global_attention.to_\1.'),
    (r'non_local\.attention\.projection\.', 'global_attention.conv.'),
    (r'(\w+_propagation)\.merge\.', r'\1.conv_downchan.'),
    # misspelt like this in both directions
    (r'(\w+_propagation)\.blocks\.', r'\1.resblock_bcakward2d.main.0.'),
    (r'reconstruction\.out_block\.1\.', 'srn.outBlock_post.0.'),
    (r'reconstruction\.(in|out)_block\.', r'srn.\1Block.'),
    (r'reconstruction\.(en|de)coder1\.', r'srn.\1coder_first.'),
    (r'reconstruction\.(en|de)coder2\.', r'srn.\1coder_second.'),
]
EXTRACTOR_BLOCK = re.compile(r'^extractor\.(\d+)\.')
SPYNET_CONV = re.compile(r'^(spynet\.basic_module\.\d\.basic_module)\.(\d)\.conv\.')
#: 3-D convolutions that look at one frame at a time; here they are 2-D
FRAME_BY_FRAME = ('extractor_2dres.', 'fusion.')


def _original_name(name: str) -> str:
    for pattern, replacement in RULES:
        name = re.sub('^' + pattern, replacement, name)
    # their convolutions alternate with ReLUs
    name = SPYNET_CONV.sub(lambda m: f'{m[1]}.{2 * int(m[2])}.', name)
    return EXTRACTOR_BLOCK.sub(lambda m: f'extractor_2dres.main.0.{int(m[1]) - 1}.', name)


def _to_2d(name: str, value: Tensor) -> Tensor:
    """Drop the kernel's extent over frames where it is 1."""
    is_flat = name.startswith(FRAME_BY_FRAME) and value.ndim == 5 and value.shape[2] == 1
    return value.squeeze(2) if is_flat else value


def convert_cdvd_nl_state_dict(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the authors' parameters to those of :class:`CDVDNetNL`.

    The network was trained on RGB, the order of the mean that its SpyNet subtracts: the colour
    layers stay as they are.

    Args:
        state (Mapping[str, Tensor]): Parameters by the authors' names.

    Returns:
        dict[str, Tensor]: State dict of ``CDVDNetNL()``.

    Raises:
        ValueError: If parameters are missing, left over or of other shapes.
    """
    network = CDVDNetNL()
    names = {name: _original_name(name) for name in network.state_dict()}
    state = {name: _to_2d(name, value) for name, value in state.items()}
    return rename_strictly(state, names, network, 'CDVD-TSPNL (released network)')
