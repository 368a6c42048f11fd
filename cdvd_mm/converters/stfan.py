"""Converter of the released STFAN checkpoints."""

from collections.abc import Mapping

from torch import Tensor

from cdvd_mm.models.backbones.stfan_net import STFANNet

from .common import exchange_colours, rename_strictly

#: prefix of our names -> prefix of the authors' names
MODULES = {
    'kernel_encoder.0.0': 'kconv1_1', 'kernel_encoder.0.1': 'kconv1_2',
    'kernel_encoder.0.2': 'kconv1_3', 'kernel_encoder.1.0': 'kconv2_1',
    'kernel_encoder.1.1': 'kconv2_2', 'kernel_encoder.1.2': 'kconv2_3',
    'kernel_encoder.2.0': 'kconv3_1', 'kernel_encoder.2.1': 'kconv3_2',
    'kernel_encoder.2.2': 'kconv3_3',
    'frame_encoder.0.0': 'conv1_1', 'frame_encoder.0.1': 'conv1_2',
    'frame_encoder.0.2': 'conv1_3', 'frame_encoder.1.0': 'conv2_1',
    'frame_encoder.1.1': 'conv2_2', 'frame_encoder.1.2': 'conv2_3',
    'frame_encoder.2.0': 'conv3_1', 'frame_encoder.2.1': 'conv3_2',
    'frame_encoder.2.2': 'conv3_3',
    'warp_kernels': 'fac_warp', 'warp_embedding': 'kconv4', 'deblur_kernels': 'fac_deblur',
    'fused_projection': 'fea.0',
    'decoder.0.0': 'upconv2_u', 'decoder.0.1': 'upconv2_2', 'decoder.0.2': 'upconv2_1',
    'decoder.1.0': 'upconv1_u', 'decoder.1.1': 'upconv1_2', 'decoder.1.2': 'upconv1_1',
    'decoder.2': 'img_prd',
}

#: the layers that read and write pictures
FIRST, LAST = ('kernel_encoder.0.0.0', 'frame_encoder.0.0.0'), ('decoder.2.0', )


def _original_name(name: str) -> str:
    for ours, theirs in MODULES.items():
        if name.startswith(ours + '.'):
            rest = name[len(ours):].replace('.conv1.', '.stem.0.').replace('.conv2.', '.stem.2.')
            return theirs + rest
    raise AssertionError(f'no original name for {name}')


def convert_stfan_state_dict(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the authors' parameters to those of :class:`STFANNet`, for RGB.

    The authors' program reads and writes BGR: the first and last layers are turned around.

    Args:
        state (Mapping[str, Tensor]): Parameters of the released network.

    Returns:
        dict[str, Tensor]: State dict of ``STFANNet()``.

    Raises:
        ValueError: If parameters are missing, left over or of other shapes.
    """
    network = STFANNet()
    names = {name: _original_name(name) for name in network.state_dict()}
    converted = rename_strictly(state, names, network, 'STFAN (released network)')
    return exchange_colours(converted, FIRST, LAST)
