"""Optimiser wrappers: mixed precision, clipping, and no step on numbers that are not finite."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Iterator

import torch
from mmengine.logging import print_log
from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper
from mmengine.utils import digit_version
from torch import Tensor, nn

from cdvd_mm.registry import OPTIM_WRAPPER_CONSTRUCTORS, OPTIM_WRAPPERS
from cdvd_mm.system import has_fast_bf16

DTYPES = {None: None, 'float32': None, 'bfloat16': torch.bfloat16, 'float16': torch.float16}


@OPTIM_WRAPPERS.register_module()
class GuardedOptimWrapper(OptimWrapper):
    """Steps on finite gradients alone, in single or mixed precision.

    A step whose loss or gradient norm is not finite is skipped: weights and
    the optimiser's moments stay what they were. With a fused optimiser the
    GPU decides by itself and nothing waits for it; other optimisers on a GPU
    cost one synchronisation a step. All processes decide alike: a loss that
    is not finite turns the gradients of its process into NaN, and these reach
    the others through the sum of the gradients.

    Args:
        optimizer (Optimizer): What updates the parameters.
        accumulative_counts (int): Micro-batches of a step.
        clip_grad (dict, optional): ``dict(max_norm=1.0)``, or
            ``dict(type='value', clip_value=0.1)``. Default: None, no clipping.
        dtype (str, optional): 'bfloat16' or 'float16' for mixed precision
            (on GPU and CPU); 'auto' for bfloat16 where the device computes in
            it by itself. Default: None, single precision.
        loss_scale (str | float | dict): Of the loss scaling that 'float16'
            on a GPU uses: 'dynamic', the first scale, or arguments of
            ``torch.amp.GradScaler``.
        skip_nonfinite (bool): The guard.

    Attributes:
        last_step (dict[str, Tensor]): Of the latest step: ``grad_norm``
            before clipping, and ``skipped`` (0 or 1); scalars on the device.
        frozen (list[Parameter]): Parameters whose gradients are dropped
            before every step; see :class:`FreezeHook`.

    Raises:
        ValueError: An unknown ``dtype``.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, accumulative_counts: int = 1,
                 clip_grad: dict | None = None, dtype: str | None = None,
                 loss_scale: str | float | dict = 'dynamic', skip_nonfinite: bool = True) -> None:
        super().__init__(optimizer, accumulative_counts,
                         None if clip_grad is None else dict(clip_grad))
        device = next(iter(self._parameters())).device
        if dtype == 'auto':
            dtype = 'bfloat16' if has_fast_bf16(device) else None
        if dtype not in DTYPES:
            raise ValueError(f'dtype must be one of {", ".join(map(str, DTYPES))} or auto, not '
                             f'{dtype!r}')
        self.dtype = DTYPES[dtype]
        self.skip_nonfinite = skip_nonfinite
        self.last_step: dict[str, Tensor] = {}
        self.frozen: list[nn.Parameter] = []
        self.device_type = device.type
        self.scaler = None
        if self.dtype is torch.float16 and self.device_type == 'cuda':
            settings = loss_scale if isinstance(loss_scale, dict) else {}
            if isinstance(loss_scale, (int, float)):
                settings = dict(init_scale=float(loss_scale))
            self.scaler = torch.amp.GradScaler('cuda', **settings) \
                if hasattr(torch.amp, 'GradScaler') else torch.cuda.amp.GradScaler(**settings)

    def _parameters(self) -> Iterable[nn.Parameter]:
        return (param for group in self.optimizer.param_groups for param in group['params'])

    @contextlib.contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Accumulate without synchronising processes; compute in ``dtype``."""
        with contextlib.ExitStack() as stack:
            stack.enter_context(super().optim_context(model))
            if self.dtype is not None:
                stack.enter_context(torch.autocast(self.device_type, dtype=self.dtype))
            yield

    def backward(self, loss: Tensor, **kwargs) -> None:
        """Compute gradients.

        Args:
            loss (Tensor): Scalar.
            **kwargs: For ``Tensor.backward``.
        """
        if self.skip_nonfinite:
            # times NaN where the loss is not finite: so will be the gradients
            loss = loss * torch.where(torch.isfinite(loss.detach()), 1., torch.nan)
        if self.scaler is not None:
            loss = self.scaler.scale(loss)
        loss.backward(**kwargs)
        self._inner_count += 1

    def step(self, **kwargs) -> None:
        """Clip and update, if the gradients are finite.

        Args:
            **kwargs: For ``Optimizer.step``.
        """
        for param in self.frozen:
            param.grad = None
        if self.scaler is not None:
            self.scaler.unscale_(self.optimizer)
        norm = self._clip_grad()
        finite = torch.isfinite(norm)
        self.last_step = dict(grad_norm=norm, skipped=(~finite).to(norm.dtype))
        if self.scaler is not None:
            self.scaler.step(self.optimizer, **kwargs)
            self.scaler.update()
        elif not self.skip_nonfinite:
            self.optimizer.step(**kwargs)
        elif getattr(self.optimizer, '_step_supports_amp_scaling', False):
            # what GradScaler uses: the fused kernel reads the decision on the device
            self.optimizer.found_inf = (~finite).float()
            try:
                self.optimizer.step(**kwargs)
            finally:
                del self.optimizer.found_inf
        elif finite.item():
            self.optimizer.step(**kwargs)

    def _clip_grad(self) -> Tensor:
        """Clip; return the norm before clipping, on the device."""
        params = [param for param in self._parameters() if param.grad is not None]
        if not params:
            raise ValueError('no parameter has a gradient: everything is frozen, or the loss does '
                             'not depend on the network')
        settings = self.clip_grad_kwargs or {}
        if 'max_norm' in settings:
            return torch.nn.utils.clip_grad_norm_(params, **settings).detach()
        norm = _total_norm([param.grad for param in params if param.grad is not None])
        if settings:
            self.clip_func(params, **settings)
        return norm

    def state_dict(self) -> dict:
        """State of the optimiser and of the loss scaling."""
        state = super().state_dict()
        if self.scaler is not None:
            state['loss_scaler'] = self.scaler.state_dict()
        return state

    def load_state_dict(self, state_dict: dict) -> None:
        """Take over a state.

        Args:
            state_dict (dict): What :meth:`state_dict` gave, also of a run in
                another precision.
        """
        state_dict = dict(state_dict)
        scaling = state_dict.pop('loss_scaler', None)
        if scaling and self.scaler is not None:
            self.scaler.load_state_dict(scaling)
        super().load_state_dict(state_dict)


def _total_norm(gradients: list[Tensor]) -> Tensor:
    norms = torch._foreach_norm([gradient.detach() for gradient in gradients])
    return torch.linalg.vector_norm(torch.stack(norms))


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class GroupedOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """MMEngine's constructor, with one group of parameters for each set of settings.

    MMEngine makes every parameter its own group, which keeps the fast forms
    of an optimiser (one launch for all parameters) from working and logs
    hundreds of learning rates. Here parameters with the same settings share a
    group, named after the ``custom_keys`` entry that they match ('rest' for
    the others). Configs do not change.
    """

    def __call__(self, model: nn.Module) -> OptimWrapper:
        """Build the wrapper.

        Args:
            model (nn.Module): What is trained. Where its device has no fused
                form of the optimiser (PyTorch before 2.4 on a processor),
                ``fused`` is dropped.
        """
        on_cpu = next(model.parameters()).device.type == 'cpu'
        if on_cpu and digit_version(torch.__version__) < digit_version('2.4'):
            self.optimizer_cfg: dict = {name: value for name, value in self.optimizer_cfg.items()
                                  if name != 'fused'}
        return super().__call__(model)

    def add_params(self, params: list[dict], module: nn.Module, prefix: str = '',
                   is_dcn_module: int | float | None = None) -> None:
        """Add the parameters of a module, see MMEngine.

        Args:
            params (list[dict]): The groups, added to in place.
            module (nn.Module): The module.
            prefix (str): Its name.
            is_dcn_module (int | float, optional): See MMEngine.
        """
        if prefix:
            super().add_params(params, module, prefix, is_dcn_module)
            return
        first = len(params)
        with _quiet():  # it logs four lines for each parameter
            super().add_params(params, module, prefix, is_dcn_module)
        if params[first:]:
            params[first:] = self._merged(
                params[first:], {id(param): name for name, param in module.named_parameters()})

    def _merged(self, groups: list[dict], names: dict[int, str]) -> list[dict]:
        keys = sorted(sorted(self.paramwise_cfg.get('custom_keys', {})), key=len, reverse=True)
        merged: dict[tuple, dict] = {}
        for group in groups:
            [param] = group['params']
            settings = {name: value for name, value in group.items() if name != 'params'}
            name = next((key for key in keys if key in names[id(param)]), 'rest')
            identity = (name, *sorted((key, repr(value)) for key, value in settings.items()))
            merged.setdefault(identity, dict(settings, name=name, params=[]))
            merged[identity]['params'].append(param)
        for group in merged.values():
            settings = {name: value for name, value in group.items() if name != 'params'}
            number = sum(param.numel() for param in group['params'])
            print_log(f'parameter group: {number} parameters, {settings}', logger='current')
        return list(merged.values())


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    before = logging.root.manager.disable
    logging.disable(max(before, logging.INFO))
    try:
        yield
    finally:
        logging.disable(before)
