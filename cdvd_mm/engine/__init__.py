"""What runs around the models: loop, hooks, optimiser wrappers and checkpoints."""

from . import hooks, loop, optim, visualizer

__all__ = ['hooks', 'loop', 'optim', 'visualizer']
