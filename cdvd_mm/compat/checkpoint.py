"""Checkpoints of MMEngine, loaded with ``weights_only=True``, and safetensors.

From PyTorch 2.6 on, ``torch.load`` accepts nothing but tensors and plain
containers unless told otherwise. MMEngine stores a little more: histories of
logged scalars and NumPy numbers. Exactly these types are allow-listed; the
safe mode is never switched off, and older PyTorch is put into it too.
"""

import codecs
import contextlib
import importlib
import os.path as osp
import pickle
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
import torch
from mmengine.utils import digit_version
from torch import serialization


def _numpy_reconstructors() -> dict[str, object]:
    """Functions that rebuild arrays and scalars, under all their pickled names."""
    core = getattr(np, '_core' if digit_version(np.__version__) >= digit_version('2.0') else 'core')
    functions = {'_reconstruct': core.multiarray._reconstruct, 'scalar': core.multiarray.scalar}
    return {
        f'{package}.multiarray.{name}': function
        for package in ('numpy.core', 'numpy._core') for name, function in functions.items()
    }


STATISTICS = ('min', 'max', 'current', 'mean')
"""Methods of HistoryBuffer that its pickled form names."""


def _get_statistic(owner: type, name: str):
    """Stand for ``getattr``, which pickles use to name a method of a class.

    Only what a HistoryBuffer brings along is looked up; the real ``getattr``
    would open every attribute of every allowed type.
    """
    from mmengine.logging import HistoryBuffer
    if owner is not HistoryBuffer or name not in STATISTICS:
        raise pickle.UnpicklingError(f'attribute {name!r} of {owner!r} is not on the allow-list')
    return getattr(HistoryBuffer, name)


# PyTorch compares the name under which the pickle asks for it.
_get_statistic.__module__ = 'builtins'
_get_statistic.__name__ = _get_statistic.__qualname__ = 'getattr'


def _load_safetensors(filename: str, map_location: object) -> dict[str, dict[str, torch.Tensor]]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file
    try:
        weights = load_file(filename)
    except SafetensorError as error:
        raise ValueError(f'cannot read checkpoint {filename}: {error} (expected a complete file of '
                         'safetensors)') from error
    if isinstance(map_location, (str, torch.device)):
        weights = {name: value.to(map_location) for name, value in weights.items()}
    return {'state_dict': weights}  # the form that MMEngine's hooks look into


def allowed_types() -> dict[str, object]:
    """Return the types beyond tensors that checkpoints may hold, by pickled name."""
    from mmengine.logging import HistoryBuffer
    scalars = (np.float64, np.float32, np.float16, np.int64, np.int32, np.uint8, np.uint32,
               np.uint64, np.bool_)
    dtypes = {type(np.dtype(scalar)) for scalar in scalars}
    plain = [HistoryBuffer, np.ndarray, np.dtype, *scalars, *dtypes, _get_statistic,
             codecs.encode]  # which is how pickles spell bytes
    named = {f'{item.__module__}.{item.__qualname__}': item for item in plain}
    return {**named, **_numpy_reconstructors()}


def install(checkpoint_module: ModuleType) -> None:
    """Allow-list the types and make MMEngine's local loader a safe one.

    Args:
        checkpoint_module (ModuleType): ``mmengine.runner.checkpoint``.
    """
    if hasattr(serialization, 'add_safe_globals'):
        allowed = allowed_types()
        takes_names = digit_version(torch.__version__) >= digit_version('2.7')
        entries: list[Any] = [(item, name) if takes_names else item
                              for name, item in allowed.items()]
        serialization.add_safe_globals(entries)
    checkpoint_module.CheckpointLoader.register_scheme(
        prefixes='', loader=load_from_local, force=True)


def _restricted_unpickler() -> type[pickle.Unpickler]:
    """The unpickler for PyTorch 2.1 to 2.3, whose own takes no allow-list."""
    from torch import _weights_only_unpickler
    allowed = {**_weights_only_unpickler._get_allowed_globals(), **allowed_types()}

    class RestrictedUnpickler(pickle.Unpickler):
        """Python's unpickler, with nothing but the allowed names to be found."""

        def find_class(self, module: str, name: str):
            """Return what ``module.name`` stands for, if it is allowed."""
            full_name = f'{module.replace("__builtin__", "builtins")}.{name}'
            if full_name not in allowed:
                raise pickle.UnpicklingError(f'{full_name} is not on the allow-list')
            return allowed[full_name]

    return RestrictedUnpickler


@contextlib.contextmanager
def _allow_list_of_old_pytorch() -> Iterator[None]:
    """The allow-list for a PyTorch that has no way to state one."""
    module: Any = importlib.import_module('torch._weights_only_unpickler')
    known = module.Unpickler
    module.Unpickler = _restricted_unpickler()
    try:
        yield
    finally:
        module.Unpickler = known


def _reason(error: BaseException) -> str:
    """What went wrong, without PyTorch's advice to switch the safe mode off."""
    if isinstance(error, pickle.UnpicklingError) and error.__context__ is not None:
        error = error.__context__
    for line in str(error).splitlines():
        reason = line.partition('WeightsUnpickler error: ')[2].strip()
        if reason:
            return reason.partition(' Please use')[0]
    return (str(error).splitlines() or [type(error).__name__])[0].strip()


def load_from_local(filename: str, map_location=None):
    """Load a checkpoint from a local path, tensors and allow-listed types only.

    Args:
        filename (str): Path of the checkpoint.
        map_location: As for ``torch.load``.

    Returns:
        dict: The checkpoint.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is truncated, is no PyTorch checkpoint, or holds
            types that are not on the allow-list.
    """
    filename = osp.expanduser(str(filename))
    if not osp.isfile(filename):
        raise FileNotFoundError(f'checkpoint not found: {filename}')
    if filename.endswith('.safetensors'):
        return _load_safetensors(filename, map_location)
    has_allow_list = hasattr(serialization, 'add_safe_globals')
    with contextlib.nullcontext() if has_allow_list else _allow_list_of_old_pytorch():
        try:
            return torch.load(filename, map_location=map_location, weights_only=True)
        except (pickle.UnpicklingError, RuntimeError, EOFError, LookupError, ValueError, TypeError,
                AttributeError, OverflowError) as error:  # what damaged pickles lead to
            raise ValueError(
                f'cannot read checkpoint {filename}: {_reason(error)} (expected a complete PyTorch '
                "file that holds tensors, plain containers and MMEngine's own types; the safe "
                'mode weights_only=True is never switched off)') from error
