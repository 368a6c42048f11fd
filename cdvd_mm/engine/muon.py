"""Muon: momentum whose step on a weight matrix is made orthogonal, AdamW for the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from cdvd_mm.registry import OPTIMIZERS

# Quintic Newton-Schulz iteration: the singular values of any matrix of norm 1 come to lie between
# about 0.7 and 1.2 in five steps.
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5


@OPTIMIZERS.register_module()
class MuonAdamW(torch.optim.Optimizer):
    """Muon for weights of two or more dimensions, AdamW for vectors.

    Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024. The weight of a
    convolution is taken as the matrix (out, in * kernel). Its step is the momentum with all
    singular values brought to about 1: directions in which the gradient is small are learned as
    fast as the others, which is what sharpening needs, as there is little energy where blur took
    it. Matrices of one shape are orthogonalised together.

    Args:
        params (Iterable): Parameters, or groups of them.
        lr (float): Length of Muon's step. Default: 0.01.
        momentum (float): Of Muon, with Nesterov's look ahead. Default: 0.95.
        vector_lr (float): Learning rate of vectors at the learning rate ``lr``; a schedule changes
            both alike. Default: 1e-3.
        betas (tuple[float, float]): Of AdamW. Default: (0.9, 0.99).
        eps (float): Of AdamW. Default: 1e-8.
        weight_decay (float): Of the matrices, times the learning rate. Default: 0.

    Raises:
        ValueError: A negative learning rate, or a momentum outside of [0, 1).
    """

    def __init__(self, params: Iterable, lr: float = 0.01, momentum: float = 0.95,
                 vector_lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.99),
                 eps: float = 1e-8, weight_decay: float = 0.0) -> None:
        if lr <= 0 or vector_lr < 0 or not 0 <= momentum < 1:
            raise ValueError(f'MuonAdamW needs lr > 0, vector_lr >= 0 and 0 <= momentum < 1, found '
                             f'{lr}, {vector_lr} and {momentum}')
        super().__init__(params, dict(
            lr=lr, momentum=momentum, vector_ratio=vector_lr / lr, betas=tuple(betas), eps=eps,
            weight_decay=weight_decay))

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take a step.

        Args:
            closure (Callable, optional): Computes the loss and the gradients.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            params = [param for param in group['params'] if param.grad is not None]
            self._step_matrices([param for param in params if param.dim() > 1], group)
            self._step_vectors([param for param in params if param.dim() <= 1], group)
        return loss

    def _step_matrices(self, params: list[Tensor], group: dict) -> None:
        alike: dict[tuple[int, int], list[tuple[Tensor, Tensor]]] = {}
        for param in params:
            state = self.state[param]
            if not state:
                state['momentum_buffer'] = torch.zeros_like(param)
            gradient: Any = param.grad
            momentum = state['momentum_buffer'].lerp_(gradient, 1 - group['momentum'])
            step = gradient.lerp(momentum, group['momentum']).reshape(param.shape[0], -1)
            alike.setdefault(tuple(step.shape), []).append((param, step))
        for (rows, columns), members in alike.items():
            steps = orthogonalised(torch.stack([step for _, step in members]))
            length = group['lr'] * max(1.0, rows / columns) ** 0.5
            for (param, _), step in zip(members, steps):
                param.mul_(1 - group['lr'] * group['weight_decay'])
                param.add_(step.reshape(param.shape).to(param.dtype), alpha=-length)

    def _step_vectors(self, params: list[Tensor], group: dict) -> None:
        beta1, beta2 = group['betas']
        for param in params:
            state = self.state[param]
            if not state:
                state['step'] = torch.zeros((), dtype=torch.float32)
                state['exp_avg'] = torch.zeros_like(param)
                state['exp_avg_sq'] = torch.zeros_like(param)
            state['step'] += 1
            count = state['step'].item()
            mean = state['exp_avg'].lerp_(param.grad, 1 - beta1)
            square = state['exp_avg_sq'].mul_(beta2).addcmul_(param.grad, param.grad,
                                                              value=1 - beta2)
            deviation = (square / (1 - beta2 ** count)).sqrt_().add_(group['eps'])
            rate = group['lr'] * group['vector_ratio'] / (1 - beta1 ** count)
            param.addcdiv_(mean, deviation, value=-rate)


def orthogonalised(matrices: Tensor) -> Tensor:
    """Bring the singular values of matrices to about 1 and keep the singular vectors.

    Args:
        matrices (Tensor): (n, rows, columns).

    Returns:
        Tensor: Likewise, bfloat16; singular values of 0.6 to 1.25, but for those that are 0.
    """
    x = matrices.bfloat16()
    high = x.shape[1] > x.shape[2]
    x = x.mT if high else x
    x = x / (torch.linalg.matrix_norm(x, keepdim=True) + 1e-7)
    a, b, c = COEFFICIENTS
    for _ in range(ITERATIONS):
        square = x @ x.mT
        x = a * x + (b * square + c * (square @ square)) @ x
    return x.mT if high else x
