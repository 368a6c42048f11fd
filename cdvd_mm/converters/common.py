"""What all checkpoint converters share: reading, renaming under control, writing."""

import io
import os
import pickle
from collections.abc import Iterable, Mapping, Sequence

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from cdvd_mm.files import write_atomically
from cdvd_mm.version import __version__

#: where published checkpoints keep their parameters
CONTAINERS = ('state_dict', 'params_ema', 'params', 'model', 'network', 'deblurnet_state_dict')
#: prefixes that training programs put in front of all names
WRAPPERS = ('module.', 'model.', 'net.', 'network.', 'net_g.')


def read_checkpoint(path: str) -> tuple[dict[str, Tensor], dict]:
    """Read the parameters of a checkpoint of any common form, and its meta.

    The log says where they were taken from, where that is not the file itself.

    Args:
        path (str): File written by ``torch.save``: a plain state dict, or a
            dict that holds one under one of :data:`CONTAINERS`, the first
            come first. Prefixes that all names have (:data:`WRAPPERS`:
            DataParallel, Lightning and the like) are dropped.

    Returns:
        tuple[dict[str, Tensor], dict]: Parameters by their original names, and
        what the file holds under 'meta' (empty if nothing).

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it holds no parameters, or cannot be read.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f'No checkpoint at {path}.')
    try:
        content = torch.load(path, map_location='cpu', weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, LookupError, ValueError, TypeError,
            AttributeError) as error:  # what damaged pickles lead to
        raise ValueError(f'{path} cannot be read as a checkpoint (truncated, or no file of '
                         f'torch.save): {str(error).splitlines()[0]}') from error
    meta = content.get('meta') if isinstance(content, Mapping) else None
    taken = []
    for key in CONTAINERS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
            taken.append(f'what lies under {key!r}')
            break
    if not isinstance(content, Mapping) or not content or not all(
            isinstance(value, Tensor) for value in content.values()):
        found = ', '.join(map(str, list(content)[:8])) if isinstance(content, Mapping) \
            else type(content)
        raise ValueError(f'{path} holds no state dict: expected a mapping of names to tensors, '
                         f'bare or under one of {", ".join(CONTAINERS)}; found {found}.')
    state = dict(content)
    while prefix := next((prefix for prefix in WRAPPERS
                          if all(key.startswith(prefix) for key in state)), None):
        state = {key.removeprefix(prefix): value for key, value in state.items()}
        taken.append(f'without the prefix {prefix!r}')
    if taken:
        print_log(f'{path}: taken is {", ".join(taken)}', logger='current')
    return state, dict(meta) if isinstance(meta, Mapping) else {}


def _some(found: Iterable[str], limit: int = 12) -> str:
    names = sorted(found)
    rest = f' and {len(names) - limit} more' if len(names) > limit else ''
    return ', '.join(names[:limit]) + rest


def rename_strictly(state: Mapping[str, Tensor], names: Mapping[str, str], network: nn.Module,
                    what: str) -> dict[str, Tensor]:
    """Give every parameter its new name; refuse what does not fit exactly.

    Args:
        state (Mapping[str, Tensor]): Parameters by original names.
        names (Mapping[str, str]): Original name by new name, for every entry
            of the network's state dict.
        network (nn.Module): The network that the result must load into.
        what (str): What was expected, for the error message.

    Returns:
        dict[str, Tensor]: Parameters by the network's names.

    Raises:
        ValueError: If a parameter is missing, left over or of another shape;
            all of them are named.
    """
    expected = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    if set(expected) != set(names):
        raise AssertionError(f'incomplete name table for {what}: '
                             f'{_some(set(expected) ^ set(names))}')
    missing = [old for old in names.values() if old not in state]
    left_over = set(state) - set(names.values())
    wrong = [f'{old}: {tuple(state[old].shape)} instead of {expected[new]}'
             for new, old in names.items()
             if old in state and tuple(state[old].shape) != expected[new]]
    problems = []
    if missing:
        problems.append(f'missing ({len(missing)}): {_some(missing)}')
    if left_over:
        problems.append(f'left over ({len(left_over)}): {_some(left_over)}')
    if wrong:
        problems.append(f'of another shape ({len(wrong)}): {_some(wrong)}')
    if problems:
        raise ValueError(f'This is not a checkpoint of {what}. ' + '; '.join(problems) + '.')
    return {new: state[old].clone() for new, old in names.items()}


def exchange_colours(state: Mapping[str, Tensor], first: Sequence[str],
                     last: Sequence[str] = ()) -> dict[str, Tensor]:
    """Make a network that was trained on BGR take and give RGB, or the reverse.

    Args:
        state (Mapping[str, Tensor]): A network's state dict.
        first (Sequence[str]): Names of the layers that read pictures; several pictures may lie
            one behind the other in their input channels.
        last (Sequence[str]): Names of the convolutions that write pictures.

    Returns:
        dict[str, Tensor]: The same with the colour channels of these layers in reverse order.
    """
    state = dict(state)
    for name in first:  # (c_out, 3 * pictures, kh, kw)
        weight = state[f'{name}.weight']
        state[f'{name}.weight'] = weight.unflatten(1, (-1, 3)).flip(2).flatten(1, 2)
    for name in last:  # (3, c_in, kh, kw), (3, )
        for part in ('weight', 'bias'):
            state[f'{name}.{part}'] = state[f'{name}.{part}'].flip(0)
    return state


def write_checkpoint(state: Mapping[str, Tensor], target: str, converted_from: str) -> None:
    """Write a checkpoint of this package that appears complete or not at all.

    Args:
        state (Mapping[str, Tensor]): Parameters by the names of this package.
        target (str): File to write; its folder is made.
        converted_from (str): The source, whose name is kept in the checkpoint's meta.
    """
    os.makedirs(os.path.dirname(os.path.abspath(target)), exist_ok=True)
    meta = {'converted_from': os.path.basename(converted_from), 'cdvd_mm_version': __version__}
    buffer = io.BytesIO()
    torch.save({'state_dict': dict(state), 'meta': meta}, buffer)
    write_atomically(target, buffer.getvalue())
