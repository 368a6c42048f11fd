"""Hooks that change how parts of the network are trained or computed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial, wraps

import torch
from mmengine.hooks import Hook
from torch import nn
from torch.utils.checkpoint import checkpoint

from cdvd_mm.engine.loop import bare_model
from cdvd_mm.registry import HOOKS


@HOOKS.register_module()
class FreezeHook(Hook):
    """Keeps parameters as they are for the first steps.

    In one process their gradients are not even computed. With several
    processes they are computed and dropped before the step, as the parameters
    that take part in the exchange of gradients must not change on the way.

    Args:
        names (list[str]): Parts of names; a parameter that has one of them in
            its own is frozen.
        num_iters (int): Steps to keep them so.

    Raises:
        ValueError: From the training: no parameter has such a name.
    """

    def __init__(self, names: tuple[str, ...] = ('flow_estimator', ),
                 num_iters: int = 1000) -> None:
        self.names = [names] if isinstance(names, str) else list(names)
        self.num_iters = num_iters
        self.frozen: bool | None = None

    def before_train(self, runner) -> None:
        """Find the parameters."""
        self.params = [param for name, param in bare_model(runner.model).named_parameters()
                       if any(part in name for part in self.names)]
        self.frozen = None
        if not self.params:
            raise ValueError(f'FreezeHook: no parameter of the model has one of {self.names} in '
                             'its name')

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        """Freeze, or thaw when it is time."""
        frozen = runner.iter < self.num_iters
        if frozen == self.frozen:
            return
        self.frozen = frozen
        runner.logger.info(f'{len(self.params)} parameters with {self.names} in their names are '
                           f'{"frozen" if frozen else "trained"} from step {runner.iter + 1} on')
        if runner.distributed:
            runner.optim_wrapper.frozen = self.params if frozen else []
            return
        for param in self.params:
            param.requires_grad_(not frozen)
            param.grad = None


_ESTIMATOR = 'generator.flow_estimator.estimator'


@HOOKS.register_module()
class ActivationCheckpointingHook(Hook):
    """Trades time for memory: parts of the network are computed again in the backward pass.

    Args:
        modules (list[str]): Names of the parts, seen from the model; a last
            ``*`` stands for all children, ``a|b`` for the first that there
            is. The default is the six parts of the restoration network and
            the networks of the flow estimator.

    Raises:
        ValueError: From the training: there is none of these parts.
    """

    DEFAULT = ('generator.reconstruction.*', f'{_ESTIMATOR}.encoder', f'{_ESTIMATOR}.context',
               # PWC-Net level by level: its finest one is the largest part of all
               f'{_ESTIMATOR}.decoder.decoders.*|{_ESTIMATOR}.decoder',
               f'{_ESTIMATOR}.decoder.post_processor')

    def __init__(self, modules: tuple[str, ...] = DEFAULT) -> None:
        self.modules = list(modules)
        self.wrapped: list[nn.Module] = []

    def before_train(self, runner) -> None:
        """Wrap the parts."""
        self.wrapped = checkpoint_modules(bare_model(runner.model), self.modules)

    def after_train(self, runner) -> None:
        """Unwrap them."""
        for module in self.wrapped:
            module.__dict__.pop('forward', None)
        self.wrapped = []


def checkpoint_modules(model: nn.Module,
                       names: Sequence[str] = ActivationCheckpointingHook.DEFAULT
                       ) -> list[nn.Module]:
    """Let parts of a model be computed again in the backward pass.

    Args:
        model (nn.Module): The model.
        names (list[str]): See :class:`ActivationCheckpointingHook`.

    Returns:
        list[nn.Module]: The parts.

    Raises:
        ValueError: There is none of them.
    """
    known = dict(model.named_modules())
    found: list[nn.Module] = []
    for choice in names:
        choices = choice.split('|')
        name = next((name for name in choices if name.removesuffix('.*') in known), choices[0])
        if name.endswith('.*'):
            found += known[name[:-2]].children() if name[:-2] in known else ()
        elif name in known:
            found.append(known[name])
    if not found:
        raise ValueError(f'activation checkpointing: the model has none of the parts {names}')
    for module in found:
        module.forward = _recomputed(module.forward)
    return found


def _recomputed(forward):

    @wraps(forward)
    def wrapper(*args, **kwargs):
        if not torch.is_grad_enabled():
            return forward(*args, **kwargs)
        # nothing in these networks is random
        return checkpoint(partial(forward, **kwargs), *args, use_reentrant=False,
                          preserve_rng_state=False)

    return wrapper


@HOOKS.register_module()
class CompileHook(Hook):
    """Compiles parts of the network with ``torch.compile``; names of weights do not change.

    Args:
        modules (list[str]): Names of the parts, seen from the model.
        **kwargs: For ``torch.compile``, such as ``mode`` or ``backend``.

    Raises:
        ValueError: From the training: there is no such part.
    """

    def __init__(self, modules: tuple[str, ...] = ('generator.reconstruction', ),
                 **kwargs) -> None:
        self.modules = list(modules)
        self.kwargs = kwargs

    def before_train(self, runner) -> None:
        """Compile."""
        known = dict(bare_model(runner.model).named_modules())
        for name in self.modules:
            if name not in known:
                raise ValueError(f'CompileHook: the model has no part {name!r}')
            known[name].compile(**self.kwargs)
