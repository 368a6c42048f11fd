"""Registries of cdvd_mm: children of MMagic's, filled on demand.

A type written ``cdvd_mm.CDVDNet`` (or ``CDVDNet`` under
``default_scope = 'cdvd_mm'``) imports the module that defines it through
``locations``; everything that MMagic and MMEngine register stays reachable
through the parents.
"""

from mmagic import registry as mmagic_registry
from mmengine.registry import INFERENCERS as MMENGINE_INFERENCERS
from mmengine.registry import Registry

_ENGINE = ('cdvd_mm.engine.hooks', 'cdvd_mm.engine.loop', 'cdvd_mm.engine.muon',
           'cdvd_mm.engine.optim', 'cdvd_mm.engine.visualizer')


def _child(name: str, parent: Registry, *modules: str) -> Registry:
    """A registry below ``parent`` that imports what both of them offer on first use."""
    # MMEngine looks a name up in a parent without importing the parent's modules.
    locations = [*parent._locations, *modules]
    return Registry(name, parent=parent, scope='cdvd_mm', locations=locations)


RUNNERS = _child('runner', mmagic_registry.RUNNERS, *_ENGINE)
LOOPS = _child('loop', mmagic_registry.LOOPS, *_ENGINE)
HOOKS = _child('hook', mmagic_registry.HOOKS, *_ENGINE)
LOG_PROCESSORS = _child('log processor', mmagic_registry.LOG_PROCESSORS, *_ENGINE)
OPTIMIZERS = _child('optimizer', mmagic_registry.OPTIMIZERS, *_ENGINE)
OPTIM_WRAPPERS = _child('optim_wrapper', mmagic_registry.OPTIM_WRAPPERS, *_ENGINE)
OPTIM_WRAPPER_CONSTRUCTORS = _child(
    'optimizer wrapper constructor', mmagic_registry.OPTIM_WRAPPER_CONSTRUCTORS, *_ENGINE)
PARAM_SCHEDULERS = _child('parameter scheduler', mmagic_registry.PARAM_SCHEDULERS, *_ENGINE)
VISUALIZERS = _child('visualizer', mmagic_registry.VISUALIZERS, *_ENGINE)
VISBACKENDS = _child('vis_backend', mmagic_registry.VISBACKENDS, *_ENGINE)

DATASETS = _child('dataset', mmagic_registry.DATASETS, 'cdvd_mm.datasets')
DATA_SAMPLERS = _child('data sampler', mmagic_registry.DATA_SAMPLERS, 'cdvd_mm.datasets')
TRANSFORMS = _child('transform', mmagic_registry.TRANSFORMS, 'cdvd_mm.datasets.transforms')

MODELS = _child('model', mmagic_registry.MODELS, 'cdvd_mm.models')
MODEL_WRAPPERS = _child('model_wrapper', mmagic_registry.MODEL_WRAPPERS, 'cdvd_mm.models')
WEIGHT_INITIALIZERS = _child('weight initializer', mmagic_registry.WEIGHT_INITIALIZERS,
                             'cdvd_mm.models')

METRICS = _child('metric', mmagic_registry.METRICS, 'cdvd_mm.evaluation')
EVALUATORS = _child('evaluator', mmagic_registry.EVALUATORS, 'cdvd_mm.evaluation')

INFERENCERS = _child('inferencer', MMENGINE_INFERENCERS, 'cdvd_mm.deblur.inferencer')


def find(name: str) -> type | None:
    """Return the class that cdvd_mm registers under ``name``, or None."""
    for registry in (MODELS, DATASETS, DATA_SAMPLERS, TRANSFORMS, METRICS, EVALUATORS, HOOKS, LOOPS,
                     OPTIM_WRAPPERS, OPTIM_WRAPPER_CONSTRUCTORS, PARAM_SCHEDULERS, VISUALIZERS,
                     INFERENCERS):
        registry.import_from_location()
        if name in registry.module_dict:
            return registry.module_dict[name]
    return None
