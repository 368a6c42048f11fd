"""Converter of released EDVR deblurring checkpoints (BasicSR's key names)."""

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from cdvd_mm.models.backbones.edvr_deblur_net import EDVRDeblurNet

from .common import rename_strictly

#: pattern of our names -> the authors' names
RULES = [
    (r'pre_deblur\.to_level1\.0\.0\.', 'predeblur.conv_first.'),
    (r'pre_deblur\.to_level1\.1\.0\.', 'predeblur.stride_conv_hr1.'),
    (r'pre_deblur\.to_level1\.2\.0\.', 'predeblur.stride_conv_hr2.'),
    (r'pre_deblur\.to_level(\d)\.0\.', r'predeblur.stride_conv_l\1.'),
    (r'pre_deblur\.level3\.', 'predeblur.resblock_l3.'),
    (r'pre_deblur\.level2\.0\.', 'predeblur.resblock_l2_1.'),
    (r'pre_deblur\.level2\.1\.', 'predeblur.resblock_l2_2.'),
    (r'pre_deblur\.level1\.', 'predeblur.resblock_l1.'),
    (r'conv_first\.', 'conv_1x1.'),
    (r'feat_l(\d)_conv(\d)\.conv\.', r'conv_l\1_\2.'),
    (r'upsample(\d)\.upsample_conv\.', r'upconv\1.'),
    # MMagic wraps convolutions with activation into a ConvModule
    (r'(pcd_alignment\.(?:offset_conv\d|feat_conv)\.l\d)\.conv\.', r'\1.'),
    (r'(pcd_alignment\.cas_offset_conv\d)\.conv\.', r'\1.'),
    (r'(fusion\.(?:feat_fusion|spatial_attn\w+))\.conv\.', r'\1.'),
    (r'pcd_alignment\.', 'pcd_align.'),
]


def _original_name(name: str) -> str:
    for pattern, replacement in RULES:
        name = re.sub('^' + pattern, replacement, name)
    return name


def _count(state: Mapping[str, Tensor], block: str) -> int:
    return len({key.split('.')[1] for key in state if key.startswith(block + '.')})


def convert_edvr_state_dict(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the authors' parameters to those of :class:`EDVRDeblurNet`.

    Channels, blocks and frames are read off the checkpoint, so that the
    64-channel and the 128-channel form both convert. The network was trained
    on RGB: the colour layers stay as they are.

    Args:
        state (Mapping[str, Tensor]): Parameters by the authors' names.

    Returns:
        dict[str, Tensor]: State dict of ``EDVRDeblurNet`` in that form.

    Raises:
        ValueError: If parameters are missing, left over or of other shapes;
            one of these is what a super-resolution EDVR gives.
    """
    options: dict[str, Any] = {}
    if 'conv_1x1.weight' in state:
        mid_channels = state['conv_1x1.weight'].shape[0]
        options = {
            'mid_channels': mid_channels,
            'num_blocks_extraction': _count(state, 'feature_extraction'),
            'num_blocks_reconstruction': _count(state, 'reconstruction'),
        }
        if 'fusion.feat_fusion.weight' in state:
            num_frames = state['fusion.feat_fusion.weight'].shape[1] // mid_channels
            options['num_frames'] = num_frames
    network = EDVRDeblurNet(**options)
    names = {name: _original_name(name) for name in network.state_dict()}
    return rename_strictly(state, names, network, 'EDVR in its deblurring form '
                           '(full-size input, pre-deblur module, attention)')
