"""What runs around the models: loop, hooks, optimiser wrappers and checkpoints."""

from . import hooks, loops, optim, visualizer

__all__ = ['hooks', 'loops', 'optim', 'visualizer']
