"""``init_cfg=dict(type='Pretrained', ...)`` that says where nothing was loaded."""

from __future__ import annotations

from mmengine.model import PretrainedInit
from mmengine.runner.checkpoint import CheckpointLoader
from torch import nn

from cdvd_mm.registry import WEIGHT_INITIALIZERS


@WEIGHT_INITIALIZERS.register_module(name='Pretrained')
class CheckedPretrainedInit(PretrainedInit):
    """MMEngine's initialisation from a file, which leaves weights that do not fit as they are.

    Args:
        checkpoint (str): The file, or its address.
        prefix (str): The part of it to take, such as ``'generator'``.
        map_location (str): Where the weights are read to.

    Raises:
        ValueError: From the call: not one weight of the file fits the module.
    """

    def __call__(self, module: nn.Module) -> None:
        """Fill a module."""
        loaded = CheckpointLoader.load_checkpoint(self.checkpoint, self.map_location)
        weights = loaded.get('state_dict', loaded)
        prefix = f'{self.prefix.rstrip(".")}.' if self.prefix else ''
        own = module.state_dict()
        names = (name.removeprefix('module.') for name in weights)
        if not any(name.removeprefix(prefix) in own for name in names if name.startswith(prefix)):
            part = f' below {prefix!r}' if prefix else ''
            raise ValueError(
                f'not one weight of {self.checkpoint}{part} belongs to {type(module).__name__}: it '
                f'has {", ".join(list(own)[:3])} ..., the file {", ".join(list(weights)[:3])} ...')
        super().__call__(module)
