"""The public face: what other programs import; each name is imported when it is first asked for."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cdvd_mm.deblur.inferencer import VideoDeblurInferencer
    from cdvd_mm.engine.config import load_config
    from cdvd_mm.engine.launch import test, train
    from cdvd_mm.inference.model import init_model
    from cdvd_mm.models.streaming import StreamingCascade, build_streamer

_HOMES = {
    'StreamingCascade': 'cdvd_mm.models.streaming',
    'VideoDeblurInferencer': 'cdvd_mm.deblur.inferencer',
    'build_streamer': 'cdvd_mm.models.streaming',
    'init_model': 'cdvd_mm.inference.model',
    'load_config': 'cdvd_mm.engine.config',
    'test': 'cdvd_mm.engine.launch',
    'train': 'cdvd_mm.engine.launch',
}

__all__ = ['StreamingCascade', 'VideoDeblurInferencer', 'build_streamer', 'init_model',
           'load_config', 'test', 'train']


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
