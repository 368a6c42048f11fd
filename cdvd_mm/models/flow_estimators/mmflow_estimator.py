"""Any optical flow network of MMFlow behind one interface.

This is the only place that reaches MMFlow, through its registry.
"""

import copy

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from cdvd_mm.ops import correlation, flow_warp, padded_size, validity_mask
from cdvd_mm.registry import MODELS

from .pretrained import PretrainedEstimator

Features = dict[str, Tensor]

# MMFlow's registry finds modules of this package by their full path alone: a
# scope is looked for among the root registry's own children, and cdvd_mm's is
# a child of MMagic's
_HERE = 'cdvd_mm.models.flow_estimators.mmflow_estimator'

PWCNET = {
    'type': 'mmflow.PWCNet',
    'encoder': {
        'type': 'mmflow.PWCNetEncoder',
        'in_channels': 3,
        'net_type': 'Basic',
        'pyramid_levels': ['level1', 'level2', 'level3', 'level4', 'level5', 'level6'],
        'out_channels': (16, 32, 64, 96, 128, 196),
        'strides': (2, 2, 2, 2, 2, 2),
        'dilations': (1, 1, 1, 1, 1, 1),
        'act_cfg': {'type': 'LeakyReLU', 'negative_slope': 0.1},
    },
    'decoder': {
        'type': 'mmflow.PWCNetDecoder',
        'in_channels': {'level6': 81, 'level5': 213, 'level4': 181, 'level3': 149, 'level2': 117},
        'flow_div': 20.,
        'corr_cfg': {'type': f'{_HERE}.FeatureCorrelation', 'max_displacement': 4},
        'warp_cfg': {'type': f'{_HERE}.FeatureWarp', 'threshold': 0.999},
        'act_cfg': {'type': 'LeakyReLU', 'negative_slope': 0.1},
        'scaled': True,
        'post_processor': {'type': 'mmflow.ContextNet', 'in_channels': 565},
    },
    'init_cfg': {
        'type': 'Kaiming',
        'nonlinearity': 'leaky_relu',
        'layer': ['Conv2d', 'ConvTranspose2d'],
        'mode': 'fan_in',
        'bias': 0,
    },
}
"""PWC-Net as CDVD-TSP runs it (9,374,274 parameters)."""

RAFT_SMALL = {
    'type': 'mmflow.RAFT',
    'num_levels': 4,
    'radius': 3,
    'cxt_channels': 64,
    'h_channels': 96,
    'encoder': {
        'type': f'{_HERE}.raft_small_encoder',
        'out_channels': 128,
        'norm_cfg': {'type': 'IN'},
    },
    'cxt_encoder': {
        'type': f'{_HERE}.raft_small_encoder',
        'out_channels': 160,
        'norm_cfg': {'type': f'{_HERE}.NoNorm'},
    },
    'decoder': {
        'type': 'mmflow.RAFTDecoder',
        'net_type': 'Small',
        'num_levels': 4,
        'radius': 3,
        'iters': 12,
        'corr_op_cfg': {'type': 'mmflow.CorrLookup', 'align_corners': True},
        'gru_type': 'Conv',
        'feat_channels': 128,
        'act_cfg': {'type': 'ReLU'},
    },
}
"""RAFT-small as its authors released it (990,162 parameters)."""

NETWORKS: dict[str, dict] = {'pwcnet': PWCNET, 'raft-small': RAFT_SMALL}
"""Networks that have a name: a config says it, or ``dict(type=NAME, ...)`` with what differs."""

# What a network was trained with: the size its input must be a multiple of,
# how a frame gets there, and the value range of its pixels. All take RGB: the
# converters turn the first convolution of a network trained on BGR around.
CONVENTIONS: dict[str, dict] = {
    'PWCNet': {'size_divisor': 64, 'fit': 'resize', 'value_range': (0., 1.)},
    'RAFT': {'size_divisor': 8, 'fit': 'pad', 'value_range': (-1., 1.)},
}
FITS = ('resize', 'pad')
CHANNEL_ORDERS = ('rgb', 'bgr')


def build_network(estimator: dict | str = PWCNET) -> BaseModule:
    """Build a network of MMFlow.

    Args:
        estimator (dict | str): config, ``dict(type='mmflow.<name>', ...)``,
            which is not changed, or a name of :data:`NETWORKS`, or that name
            as ``type`` with settings that replace the network's own:
            ``dict(type='raft-small', decoder=dict(iters=3))``.

    Returns:
        BaseModule: the bare network, with MMFlow's conventions.

    Raises:
        ValueError: an unknown name.
    """
    changes = {'type': estimator} if isinstance(estimator, str) else dict(estimator)
    name = changes.pop('type', None)
    if name in NETWORKS:
        config = _merged(NETWORKS[name], changes)
    elif isinstance(estimator, str):
        raise ValueError(f'flow network {estimator!r} is unknown; choose from '
                         f"{tuple(NETWORKS)}, or give a config dict(type='mmflow...', ...)")
    else:
        config = copy.deepcopy(dict(estimator))
    # the scope makes MMFlow's nested types resolve whatever the default scope is
    return MODELS.build(dict(config, _scope_='mmflow'))


def _merged(config: dict, changes: dict) -> dict:
    """A copy of ``config`` in which ``changes`` replace what they name, dict by dict."""
    merged = copy.deepcopy(config)
    for name, value in changes.items():
        is_part = isinstance(value, dict) and isinstance(merged.get(name), dict)
        merged[name] = _merged(merged[name], value) if is_part else copy.deepcopy(value)
    return merged


def raft_small_encoder(out_channels: int, norm_cfg: dict) -> BaseModule:
    """Build RAFT's small encoder as its authors have it.

    MMFlow's bottleneck block lacks the ReLU after its third normalisation,
    before the sum; this encoder's blocks get it.

    Args:
        out_channels (int): channels of the features.
        norm_cfg (dict): config of the normalisation, one without parameters.

    Returns:
        BaseModule: (n, 3, h, w) -> (n, out_channels, h / 8, w / 8).
    """
    encoder = MODELS.build({'type': 'mmflow.RAFTEncoder', '_scope_': 'mmflow', 'in_channels': 3,
                            'out_channels': out_channels, 'net_type': 'Small',
                            'norm_cfg': norm_cfg})
    for layer in encoder.res_layers:  # names of sequences of blocks
        for block in encoder.get_submodule(layer):
            # a ReLU whose gradient needs its input: MMFlow adds in place to what it gives
            rectified = nn.Sequential(block.norm3, nn.Threshold(0., 0.))
            block.add_module(block.norm3_name, rectified)
    return encoder


class FeatureCorrelation(nn.Module):
    """:func:`cdvd_mm.ops.correlation` where MMFlow expects mmcv's operator.

    Args:
        max_displacement (int): radius of the search.
    """

    kernel_size = 1  # read by MMFlow's CorrBlock, which divides by the channels

    def __init__(self, max_displacement: int = 4) -> None:
        super().__init__()
        self.max_displacement = max_displacement

    def forward(self, reference: Tensor, neighbour: Tensor) -> Tensor:
        """(n, c, h, w) twice -> (n, (2 d + 1)^2, h, w)."""
        return correlation(reference, neighbour, max_displacement=self.max_displacement)


class FeatureWarp(nn.Module):
    """Warping inside PWC-Net: zero padding, times the validity mask.

    MMFlow's own samples an image of ones for every channel and cuts it at
    0.9999; the released network cuts at 0.999.

    Args:
        threshold (float): see :func:`cdvd_mm.ops.validity_mask`.
    """

    def __init__(self, threshold: float = 0.999) -> None:
        super().__init__()
        self.threshold = threshold

    def forward(self, feature: Tensor, flow: Tensor) -> Tensor:
        """(n, c, h, w) and (n, 2, h, w) in pixels of the feature -> (n, c, h, w)."""
        warped = flow_warp(feature, flow, padding_mode='zeros')
        return warped * validity_mask(flow, self.threshold).to(warped.dtype)


class NoNorm(nn.Identity):
    """A 'normalisation' that does nothing, for RAFT-small's context encoder."""


@MODELS.register_module()
class MMFlowEstimator(PretrainedEstimator):
    """Optical flow in pixels between RGB frames in [0, 1].

    The network's habits (input size, value range, colour order, scale of its
    output) stay in here. ``encode`` and ``decode`` are apart, so that the
    features of a frame are computed once however many pairs it is in. (PWC-Net
    and RAFT, GMA's included; MMFlow's other networks run pair by pair.)

    Args:
        estimator (dict | str): config of an MMFlow network,
            ``dict(type='mmflow.<name>', ...)``, or ``'pwcnet'`` or
            ``'raft-small'``; see :func:`build_network`. Default:
            :data:`PWCNET`.
        size_divisor (int, optional): the network's input is brought to the
            next multiple of this. None: as ``estimator`` was trained, 64 for
            PWC-Net and networks not known here, 8 for RAFT.
        fit (str, optional): how it gets there: ``'resize'`` (bilinear,
            ``align_corners=False``; the flow is scaled back by each side's
            ratio) or ``'pad'`` (the edges repeated on all sides, the flow
            cropped). None: ``'resize'``, ``'pad'`` for RAFT.
        value_range (tuple[float, float], optional): what black and white are
            to the network. None: (0, 1), (-1, 1) for RAFT.
        channel_order (str): ``'rgb'`` or ``'bgr'``: what the network takes.
            The converters of this package turn networks trained on BGR into
            RGB ones; ``'bgr'`` is for weights loaded as they are.
        flow_scale (float, optional): factor from the network's output to
            pixels. None: the decoder's ``flow_div`` (20) for PWC-Net, 1 for
            RAFT and for other networks, which MMFlow itself scales.
        init_cfg (dict, optional): ``dict(type='Pretrained', checkpoint=FILE)``
            loads the *network's* weights (a file of
            ``cdvd-mm convert pwcnet`` or ``raft-small``, or MMFlow's own),
            strictly. With ``required=False`` a file that is not there is a
            warning, and the network starts untrained. None leaves
            initialisation to ``estimator``'s own ``init_cfg``.

    Raises:
        ValueError: an unknown name, ``fit`` or ``channel_order``, an
            ``init_cfg`` of another type, weights of another network.
        FileNotFoundError: required weights that are not there.
    """

    def __init__(self, estimator: dict | str = PWCNET, size_divisor: int | None = None,
                 fit: str | None = None, value_range: tuple[float, float] | None = None,
                 channel_order: str = 'rgb', flow_scale: float | None = None,
                 init_cfg: dict | None = None) -> None:
        super().__init__(build_network(estimator), init_cfg)

        name = type(self.estimator).__name__
        convention = CONVENTIONS.get(name, CONVENTIONS['PWCNet'])
        self.size_divisor = size_divisor or convention['size_divisor']
        self.fit = fit or convention['fit']
        self.value_range: tuple[float, float] = value_range or convention['value_range']
        self.channel_order = channel_order
        if self.fit not in FITS:
            raise ValueError(f'fit {self.fit!r} is unknown; choose from {FITS}')
        if channel_order not in CHANNEL_ORDERS:
            raise ValueError(f'channel_order {channel_order!r} is unknown; choose from '
                             f'{CHANNEL_ORDERS}')
        self.flow_scale = flow_scale or (
            self.estimator.decoder.flow_div if name in CONVENTIONS else 1.)
        # RAFT halves its correlation num_levels - 1 times, down to one pixel
        self.min_size = self.size_divisor * 2**(self.estimator.num_levels - 1) \
            if name == 'RAFT' else self.size_divisor
        self._encode, self._decode = {
            'PWCNet': (self._encode_pyramid, self._decode_pyramid),
            'RAFT': (self._encode_raft, self._decode_raft),
        }.get(name, (self._encode_whole, self._decode_whole))

    def forward(self, reference: Tensor, neighbour: Tensor) -> Tensor:
        """Estimate the flow from ``reference`` to ``neighbour``.

        Args:
            reference (Tensor): (n, 3, h, w) RGB in [0, 1].
            neighbour (Tensor): (n, 3, h, w) RGB in [0, 1].

        Returns:
            Tensor: (n, 2, h, w) in pixels, x then y: a pixel of the reference
            is found at its place plus the flow in the neighbour.

        Raises:
            ValueError: frames that are not (n, 3, h, w), or differ in shape.
        """
        if reference.shape != neighbour.shape:
            raise ValueError('the frames of a pair must have one shape, not '
                             f'{tuple(reference.shape)} and {tuple(neighbour.shape)}')
        return self.decode(self.encode(reference), self.encode(neighbour), _size(reference))

    def encode(self, frames: Tensor) -> Features:
        """Compute what a frame brings into every pair it is part of.

        Args:
            frames (Tensor): (n, 3, h, w) RGB in [0, 1].

        Returns:
            dict[str, Tensor]: features; dimension 0 of each is n, so they can
            be indexed by frame and concatenated.

        Raises:
            ValueError: frames that are not (n, 3, h, w).
        """
        if frames.ndim != 4 or frames.shape[1] != 3:
            raise ValueError(f'flow needs RGB frames (n, 3, h, w), not {tuple(frames.shape)}')
        return self._encode(self._prepare(frames))

    def decode(self, reference_features: Features, neighbour_features: Features,
               size: tuple[int, int]) -> Tensor:
        """Estimate the flow between encoded frames.

        Args:
            reference_features (dict[str, Tensor]): of :meth:`encode`, n frames.
            neighbour_features (dict[str, Tensor]): of :meth:`encode`, n frames.
            size (tuple[int, int]): h, w of the frames.

        Returns:
            Tensor: (n, 2, h, w) in pixels, x then y, float32 at least.
        """
        flow = self._decode(reference_features, neighbour_features)
        return self._restore(flow, size)

    def _input_size(self, size: tuple[int, int]) -> tuple[int, int]:
        return padded_size(size, self.size_divisor, self.min_size)

    def _padding(self, size: tuple[int, int]) -> tuple[int, int, int, int]:
        """Left, right, top, bottom."""
        (height, width), (input_height, input_width) = size, self._input_size(size)
        left, top = (input_width - width) // 2, (input_height - height) // 2
        return left, input_width - width - left, top, input_height - height - top

    def _prepare(self, frames: Tensor) -> Tensor:
        size = _size(frames)
        input_size = self._input_size(size)
        if input_size != size:
            if self.fit == 'resize':
                frames = F.interpolate(frames, size=input_size, mode='bilinear',
                                       align_corners=False)
            else:
                frames = F.pad(frames, self._padding(size), mode='replicate')
        if self.channel_order == 'bgr':
            frames = frames.flip(1)
        low, high = self.value_range
        return frames if (low, high) == (0., 1.) else frames * (high - low) + low

    def _restore(self, flow: Tensor, size: tuple[int, int]) -> Tensor:
        """(n, 2, h', w') in the network's unit -> (n, 2, h, w) in pixels."""
        height, width = size
        input_height, input_width = self._input_size(size)
        # a flow in half precision would be off by a fraction of a pixel
        flow = flow.to(torch.promote_types(flow.dtype, torch.float32))
        if self.fit == 'pad':
            if flow.shape[-2:] != (input_height, input_width):
                flow = F.interpolate(flow, size=(input_height, input_width), mode='bilinear',
                                     align_corners=False)
            left, _, top, _ = self._padding(size)
            return flow[:, :, top:top + height, left:left + width] * self.flow_scale
        flow = F.interpolate(flow, size=(height, width), mode='bilinear', align_corners=False)
        return torch.stack((flow[:, 0] * (self.flow_scale * width / input_width),
                            flow[:, 1] * (self.flow_scale * height / input_height)), dim=1)

    def _encode_pyramid(self, inputs: Tensor) -> Features:
        pyramid = self.estimator.encoder(inputs)
        return {level: pyramid[level] for level in self.estimator.decoder.flow_levels}

    def _decode_pyramid(self, reference: Features, neighbour: Features) -> Tensor:
        decoder = self.estimator.decoder
        return decoder(reference, neighbour)[decoder.end_level]

    def _encode_raft(self, inputs: Tensor) -> Features:
        return {'feature': self.estimator.encoder(inputs),
                'context': self.estimator.context(inputs)}

    def _decode_raft(self, reference: Features, neighbour: Features) -> Tensor:
        net = self.estimator
        hidden, context = reference['context'].split([net.h_channels, net.cxt_channels], dim=1)
        feature = reference['feature']
        flow = feature.new_zeros(feature.shape[0], 2, *feature.shape[-2:])
        return net.decoder(feature, neighbour['feature'], flow=flow, h_feat=torch.tanh(hidden),
                           cxt_feat=torch.relu(context))[-1]

    def _encode_whole(self, inputs: Tensor) -> Features:
        return {'inputs': inputs}

    def _decode_whole(self, reference: Features, neighbour: Features) -> Tensor:
        from mmflow.structures import FlowDataSample
        flows = []
        # one by one: MMFlow's predict fills in the first sample of a batch alone
        for pair in torch.cat((reference['inputs'], neighbour['inputs']), dim=1).split(1):
            size = _size(pair)
            sample = FlowDataSample(metainfo={'img_shape': size, 'ori_shape': size})
            self.estimator.predict(pair, [sample])
            flows.append(sample.pred_flow_fw.data)  # (2, h', w') in pixels of the input
        return torch.stack(flows)


def _size(frames: Tensor) -> tuple[int, int]:
    """Height and width."""
    return frames.shape[-2], frames.shape[-1]
