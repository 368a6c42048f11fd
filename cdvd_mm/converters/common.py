"""What all checkpoint converters share: reading, renaming under control, writing."""

import io
import os
import pickle
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from cdvd_mm.files import write_atomically
from cdvd_mm.version import __version__

#: where published checkpoints keep their parameters
CONTAINERS = ('state_dict', 'params_ema', 'params', 'model', 'network', 'deblurnet_state_dict')


def read_checkpoint(path: str,
                    containers: Sequence[str] = CONTAINERS) -> tuple[dict[str, Tensor], dict]:
    """Read the parameters of a checkpoint of any common form, and its meta.

    Args:
        path (str): File written by ``torch.save``: a plain state dict, or a
            dict that holds one under one of ``containers``. ``module.``
            prefixes (DataParallel) are dropped.
        containers (Sequence[str]): Keys to look under, first come first.

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
    for key in containers:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
            break
    if not isinstance(content, Mapping) or not content or not all(
            isinstance(value, Tensor) for value in content.values()):
        found = ', '.join(list(content)[:8]) if isinstance(content, Mapping) else type(content)
        raise ValueError(f'{path} holds no state dict: expected a mapping of names to tensors, '
                         f'bare or under one of {", ".join(containers)}; found {found}.')
    state = {key.removeprefix('module.'): value for key, value in content.items()}
    return state, dict(meta) if isinstance(meta, Mapping) else {}


def read_state_dict(path: str, containers: Sequence[str] = CONTAINERS) -> dict[str, Tensor]:
    """The parameters alone; see :func:`read_checkpoint`."""
    return read_checkpoint(path, containers)[0]


def _some(names: Sequence[str], limit: int = 12) -> str:
    names = sorted(names)
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


def convert_file(source: str, target: str, convert: Callable[..., dict],
                 prefix: str = 'generator.', origin: str | None = None,
                 with_meta: bool = False) -> dict[str, Tensor]:
    """Read ``source``, convert it and write a checkpoint of this package.

    The target appears complete or not at all.

    Args:
        source (str): The authors' checkpoint.
        target (str): File to write; its folder is made.
        convert (Callable): Maps the original state dict to a network's.
        prefix (str): Put in front of every name: where a restorer keeps its
            network. Default: 'generator.'.
        origin (str, optional): What it was, kept in the checkpoint's meta.
        with_meta (bool): Hand the source's meta to ``convert`` as well.

    Returns:
        dict[str, Tensor]: The state dict as written.
    """
    state, source_meta = read_checkpoint(source)
    converted = convert(state, source_meta) if with_meta else convert(state)
    converted = {prefix + key: value for key, value in converted.items()}
    meta = {'converted_from': origin or os.path.basename(source), 'cdvd_mm_version': __version__}
    write_checkpoint({'state_dict': converted, 'meta': meta}, target)
    return converted


def write_checkpoint(content: dict, target: str) -> None:
    """Write a file with ``torch.save`` that appears complete or not at all.

    Args:
        content (dict): What to save.
        target (str): File to write; its folder is made.
    """
    os.makedirs(os.path.dirname(os.path.abspath(target)), exist_ok=True)
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_atomically(target, buffer.getvalue())
