"""What runs around the models: hooks and checkpoint checks."""

from . import hooks

__all__ = ['hooks']
