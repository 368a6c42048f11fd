"""Converter of PWC-Net's public checkpoints to MMFlow's names."""

import re
from collections.abc import Mapping

from torch import Tensor

from cdvd_mm.models.flow_estimators.mmflow_estimator import build_network

from .common import exchange_colours, rename_strictly

NUMBERS = ('One', 'Two', 'Thr', 'Fou', 'Fiv', 'Six')
FIRST_CONV = 'encoder.layers.0.layers.0.conv'
CHANNEL_ORDERS = ('rgb', 'bgr')
CORRELATIONS = ('mean', 'sum')
#: channels of the feature that level 6 to 2 correlate
CORRELATED_CHANNELS = {6: 196, 5: 128, 4: 96, 3: 64, 2: 32}
COST_VOLUME = 81
DENSE_CHANNELS = (128, 128, 96, 64, 32)
#: a key of the form of CDVD-TSP and network-default, after any prefix
MODULE_KEY = re.compile(r'(.*?)module(?:Extractor|Two|Thr|Fou|Fiv|Six|Refiner)\.')


def module_name(name: str) -> str:
    """Give the name of a parameter in CDVD-TSP and ``network-default.pytorch``.

    Args:
        name (str): Parameter of MMFlow's PWCNet.

    Returns:
        str: ``moduleExtractor...``, without CDVD-TSP's prefix.
    """
    part, *keys = name.split('.')
    if part == 'encoder':  # encoder.layers.L.layers.K.conv.weight
        return f'moduleExtractor.module{NUMBERS[int(keys[1])]}.{2 * int(keys[3])}.{keys[-1]}'
    if keys[0] == 'post_processor':
        return f'moduleRefiner.moduleMain.{2 * int(keys[2])}.{keys[-1]}'
    level = int(keys[1].removeprefix('level'))
    if keys[2] == 'dense_net':
        return f'module{NUMBERS[level - 1]}.module{NUMBERS[int(keys[4])]}.0.{keys[-1]}'
    if keys[2] == 'predict_layer':
        return f'module{NUMBERS[level - 1]}.moduleSix.0.{keys[-1]}'
    # up-sampling is stored at the finer level
    upsampling = {'upflow_layer': 'moduleUpflow', 'upfeat_layer': 'moduleUpfeat'}[keys[2]]
    return f'module{NUMBERS[level - 2]}.{upsampling}.{keys[-1]}'


def authors_name(name: str) -> str:
    """Give the name of a parameter in the authors' ``pwc_net.pth.tar``.

    Args:
        name (str): Parameter of MMFlow's PWCNet.

    Returns:
        str: ``conv1a.0.weight`` and the like.
    """
    part, *keys = name.split('.')
    if part == 'encoder':
        level = int(keys[1]) + 1
        order = ('aa', 'a', 'b') if level == 6 else ('a', 'aa', 'b')
        return f'conv{level}{order[int(keys[3])]}.0.{keys[-1]}'
    if keys[0] == 'post_processor':
        layer = int(keys[2]) + 1
        return f'dc_conv{layer}.{keys[-1]}' if layer == 7 else f'dc_conv{layer}.0.{keys[-1]}'
    level = int(keys[1].removeprefix('level'))
    if keys[2] == 'dense_net':
        return f'conv{level}_{keys[4]}.0.{keys[-1]}'
    kinds = {'predict_layer': 'predict_flow', 'upflow_layer': 'deconv', 'upfeat_layer': 'upfeat'}
    return f'{kinds[keys[2]]}{level}.{keys[-1]}'


def fold_correlation(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Make a network trained with ``scaled=False`` equal one with ``scaled=True``.

    MMFlow's own PWC-Net sums the correlation over the channels where the
    authors' averages it. LeakyReLU commutes with a positive factor, so
    multiplying the weights that read the cost volume by the number of
    channels makes up for the division.

    Args:
        state (Mapping[str, Tensor]): State dict of MMFlow's PWCNet.

    Returns:
        dict[str, Tensor]: State dict of an equal network under ``scaled=True``.
    """
    state = dict(state)
    for level, channels in CORRELATED_CHANNELS.items():
        prefix = f'decoder.decoders.level{level}.'
        # new features are put in front, so the cost volume moves back with every layer
        offset = 0
        readers = []
        for layer, width in enumerate(DENSE_CHANNELS):
            readers.append((f'{prefix}dense_net.layers.{layer}.layers.conv.weight', offset))
            offset += width
        readers.append((f'{prefix}predict_layer.weight', offset))
        if level == 2:
            readers.append(('decoder.post_processor.layers.0.conv.weight', offset))
        for name, start in readers:
            weight = state[name].clone()  # (out, in, 3, 3)
            weight[:, start:start + COST_VOLUME] *= channels
            state[name] = weight
        if level > 2:  # transposed convolution: (in, out, 4, 4)
            weight = state[f'{prefix}upfeat_layer.weight'].clone()
            weight[offset:offset + COST_VOLUME] *= channels
            state[f'{prefix}upfeat_layer.weight'] = weight
    return state


def pwcnet_form(state: Mapping[str, Tensor]) -> str:
    """Tell which of the public forms a state dict has.

    Returns:
        str: 'module' (CDVD-TSP, ``network-default``), 'authors' or 'mmflow'.

    Raises:
        ValueError: If it is none of them.
    """
    if any(MODULE_KEY.match(key) for key in state):
        return 'module'
    if any(key.startswith(('conv1a.', 'conv6aa.', 'dc_conv1.')) for key in state):
        return 'authors'
    if any(key.startswith(('encoder.layers.', 'decoder.decoders.')) for key in state):
        return 'mmflow'
    names = sorted(state)
    raise ValueError(
        'This is no checkpoint of PWC-Net: expected keys moduleExtractor.moduleOne.0.weight, ... '
        "(with or without a prefix), or conv1a.0.weight, ... (the authors'), or "
        f"encoder.layers.0..., decoder.decoders... (MMFlow's); found {len(names)} keys: "
        f'{", ".join(names[:8])}{", ..." if len(names) > 8 else ""}.')


def convert_pwcnet_state_dict(state: Mapping[str, Tensor], channel_order: str | None = None,
                              correlation: str | None = None,
                              meta: Mapping | None = None) -> dict[str, Tensor]:
    """Rename a public PWC-Net to MMFlow's names, for RGB and ``scaled=True``.

    Args:
        state (Mapping[str, Tensor]): Parameters in one of the public forms.
            Keys ``moduleExtractor...`` may carry any one prefix; a whole
            CDVD-TSP checkpoint gives its flow network.
        channel_order (str, optional): What the network was trained on; 'bgr'
            turns its first convolution around. None: 'bgr' for the authors'
            form and what MMFlow's own training wrote, 'rgb' otherwise, as
            CDVD-TSP feeds RGB to the
            ``moduleExtractor`` form (the weights of ``network-default``
            itself come from BGR training: pass 'bgr' to use them for flow
            alone).
        correlation (str, optional): 'sum' if the network was trained with
            MMFlow's ``scaled=False``: the weights are folded. None: 'sum' for
            what MMFlow's own training wrote, 'mean' otherwise.
        meta (Mapping, optional): What the file holds beside the parameters;
            tells whether MMFlow's training wrote it.

    Returns:
        dict[str, Tensor]: State dict of the default network of
        :class:`cdvd_mm.models.flow_estimators.MMFlowEstimator`.

    Raises:
        ValueError: If parameters are missing, left over or of other shapes,
            or an option is unknown.
    """
    for name, value, choices in (('channel_order', channel_order, CHANNEL_ORDERS),
                                 ('correlation', correlation, CORRELATIONS)):
        if value is not None and value not in choices:
            raise ValueError(f'{name} {value!r} is unknown; choose from {choices}')
    form = pwcnet_form(state)
    network = build_network()
    if form == 'module':
        # the first key decides; whatever lies outside of the prefix is left over
        prefix = next(found.group(1) for found in map(MODULE_KEY.match, state) if found)
        names = {name: prefix + module_name(name) for name in network.state_dict()}
        state = {key: value for key, value in state.items() if not key.startswith('recons_net.')}
    elif form == 'authors':
        names = {name: authors_name(name) for name in network.state_dict()}
        state = {key: value for key, value in state.items() if not key.startswith('deconv2.')}
    else:
        names = {name: name for name in network.state_dict()}
    converted = rename_strictly(state, names, network, f'PWC-Net ({form} form)')
    by_mmflow = form == 'mmflow' and trained_by_mmflow(meta or {})
    if (channel_order or ('bgr' if form == 'authors' or by_mmflow else 'rgb')) == 'bgr':
        converted = exchange_colours(converted, first=[FIRST_CONV])
    if (correlation or ('sum' if by_mmflow else 'mean')) == 'sum':
        converted = fold_correlation(converted)
    return converted


def trained_by_mmflow(meta: Mapping) -> bool:
    """Tell a checkpoint of MMFlow's training from one that was converted.

    MMFlow's PWC-Net configs train on BGR, with ``scaled=False``.

    Args:
        meta (Mapping): The checkpoint's own ``meta``, empty if it has none.

    Returns:
        bool: Whether OpenMMLab's training wrote it and this package did not.
    """
    return 'cdvd_mm_version' not in meta and bool(
        {'mmcv_version', 'mmengine_version', 'mmflow_version'} & set(meta))
