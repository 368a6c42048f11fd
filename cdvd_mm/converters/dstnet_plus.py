"""Converter of the released DSTNet+ checkpoints, of every size."""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from cdvd_mm.models.backbones.dstnet_plus import HAAR, DSTNetPlus

from .common import rename_strictly

#: start of our names -> the authors' names
RULES = [
    (r'feat_extract\.', 'feat_extractor.'),
    (r'reconstruction\.', 'recons.'),
    (r'haar\.filters', 'wave.haar_weights'),
    (r'detail_convs\.0\.', 'x_wave_2_conv1.'),
    (r'detail_convs\.2\.', 'x_wave_2_conv2.'),
    (r'(backward|forward)_step\.', r'\1_propagation.'),
    (r'(\w+_propagation\.fusion\.)query_key\.', r'\1conv0.'),
    (r'(\w+_propagation\.fusion\.)conv\.', r'\1conv1.'),
    (r'(\w+_propagation\.)filter\.to_kernels\.', r'\1kernel_conv_pixel.tokernel.'),
    # misspelt like this in both directions
    (r'(\w+_propagation\.)blocks\.', r'\1resblock_bcakward2d.main.0.'),
]
LEVEL = re.compile(r'(\w+_propagation\.)filter\.levels\.(\d)\.')


def _original_name(name: str) -> str:
    for pattern, replacement in RULES:
        name = re.sub('^' + pattern, replacement, name)
    return LEVEL.sub(lambda m: f'{m[1]}kernel_conv_pixel.Block{int(m[2]) + 1}.', name)


def _count(state: Mapping[str, Tensor], prefix: str) -> int:
    found = {key.removeprefix(prefix).split('.')[0] for key in state if key.startswith(prefix)}
    return len(found) or 1


def convert_dstnet_plus_state_dict(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the authors' parameters to those of :class:`DSTNetPlus`.

    Channels and blocks are read off the checkpoint, so that every size converts. That the network
    was trained on RGB is assumed, as no source at hand says it: the colour layers stay as they are.

    Args:
        state (Mapping[str, Tensor]): Parameters by the authors' names.

    Returns:
        dict[str, Tensor]: State dict of ``DSTNetPlus`` in that form.

    Raises:
        ValueError: If parameters are missing, left over or of other shapes, or the stored Haar
            filters are not Haar's.
    """
    options: dict[str, Any] = {}
    if 'feat_extractor.weight' in state:
        part = 'backward_propagation.'
        options = dict(
            mid_channels=state['feat_extractor.weight'].shape[0],
            num_filter_blocks=_count(state, part + 'kernel_conv_pixel.Block1.'),
            num_blocks=_count(state, part + 'resblock_bcakward2d.main.0.'))
    network = DSTNetPlus(**options)
    names = {name: _original_name(name) for name in network.state_dict()}
    converted = rename_strictly(state, names, network, 'DSTNet+')
    filters = converted['haar.filters'].view(-1, 4, 4)
    if not torch.equal(filters, torch.tensor(HAAR).to(filters).expand_as(filters)):
        raise ValueError('This is not a checkpoint of DSTNet+: wave.haar_weights holds other '
                         f"filters than Haar's, the first are {filters[0].tolist()}, expected "
                         f'{[list(row) for row in HAAR]}.')
    return converted
