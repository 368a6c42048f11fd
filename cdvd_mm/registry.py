"""Registries of cdvd_mm: children of MMagic's, filled on demand.

A type written ``cdvd_mm.CDVDNet`` (or ``CDVDNet`` under
``default_scope = 'cdvd_mm'``) imports the module that defines it through
``locations``; everything that MMagic and MMEngine register stays reachable
through the parents.
"""

from mmagic import registry as mmagic_registry
from mmengine.registry import INFERENCERS as MMENGINE_INFERENCERS
from mmengine.registry import Registry


def _child(name: str, parent: Registry, *locations: str) -> Registry:
    return Registry(name, parent=parent, scope='cdvd_mm', locations=list(locations))


MODELS = _child('model', mmagic_registry.MODELS, 'cdvd_mm.models')

DATASETS = _child('dataset', mmagic_registry.DATASETS, 'cdvd_mm.datasets')
DATA_SAMPLERS = _child('data sampler', mmagic_registry.DATA_SAMPLERS, 'cdvd_mm.datasets')
TRANSFORMS = _child('transform', mmagic_registry.TRANSFORMS, 'cdvd_mm.datasets.transforms')

METRICS = _child('metric', mmagic_registry.METRICS, 'cdvd_mm.evaluation')
EVALUATORS = _child('evaluator', mmagic_registry.EVALUATORS, 'cdvd_mm.evaluation')

HOOKS = _child('hook', mmagic_registry.HOOKS, 'cdvd_mm.engine')
LOOPS = _child('loop', mmagic_registry.LOOPS, 'cdvd_mm.engine')
OPTIM_WRAPPERS = _child('optimizer wrapper', mmagic_registry.OPTIM_WRAPPERS, 'cdvd_mm.engine')
OPTIM_WRAPPER_CONSTRUCTORS = _child('optimizer wrapper constructor',
                                    mmagic_registry.OPTIM_WRAPPER_CONSTRUCTORS, 'cdvd_mm.engine')
PARAM_SCHEDULERS = _child('parameter scheduler', mmagic_registry.PARAM_SCHEDULERS, 'cdvd_mm.engine')
LOG_PROCESSORS = _child('log processor', mmagic_registry.LOG_PROCESSORS, 'cdvd_mm.engine')
VISUALIZERS = _child('visualizer', mmagic_registry.VISUALIZERS, 'cdvd_mm.engine')
VISBACKENDS = _child('visualizer backend', mmagic_registry.VISBACKENDS, 'cdvd_mm.engine')

INFERENCERS = _child('inferencer', MMENGINE_INFERENCERS, 'cdvd_mm.apis')


def find(name: str) -> type | None:
    """Return the class that cdvd_mm registers under ``name``, or None."""
    for registry in (MODELS, DATASETS, DATA_SAMPLERS, TRANSFORMS, METRICS, EVALUATORS, HOOKS, LOOPS,
                     OPTIM_WRAPPERS, OPTIM_WRAPPER_CONSTRUCTORS, PARAM_SCHEDULERS, LOG_PROCESSORS,
                     VISUALIZERS, VISBACKENDS, INFERENCERS):
        registry.import_from_location()
        if name in registry.module_dict:
            return registry.module_dict[name]
    return None
