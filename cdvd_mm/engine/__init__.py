"""What runs around the models: hooks and checkpoint checks."""

from . import hooks, visualizer

__all__ = ['hooks', 'visualizer']
