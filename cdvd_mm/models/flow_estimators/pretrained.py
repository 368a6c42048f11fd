"""What flow estimators share: a network of other hands, its weights from a file."""

import logging
import os.path as osp
import re

from mmengine.logging import print_log
from mmengine.model import BaseModule
from mmengine.runner.checkpoint import _load_checkpoint, _load_checkpoint_to_model


class PretrainedEstimator(BaseModule):
    """A flow network, kept as ``estimator``, whose weights may come from a file.

    Args:
        estimator (BaseModule): the network.
        init_cfg (dict, optional): ``dict(type='Pretrained', checkpoint=FILE)``
            loads the *network's* weights, strictly. With ``required=False`` a
            file that is not there is a warning, and the network starts
            untrained. ``prefix='generator.estimator'`` for a file of
            :class:`~cdvd_mm.models.restorers.flow_trainer.FlowTrainer`. None:
            the network's own initialisation.

    Raises:
        ValueError: an ``init_cfg`` of another type; on initialisation: weights
            of another network.
        FileNotFoundError: on initialisation: required weights that are not
            there.
    """

    source = 'tools/model_converters/convert.py makes them from the published files'
    """Where the weights come from, for messages."""

    constants: tuple[str, ...] = ()
    """Buffers of the network that a file may leave out."""

    def __init__(self, estimator: BaseModule, init_cfg: dict | None = None) -> None:
        if init_cfg is not None and init_cfg.get('type') != 'Pretrained':
            raise ValueError(f"{type(self).__name__} takes init_cfg=dict(type='Pretrained', "
                             f'checkpoint=...) or None, not {init_cfg}; other initialisations '
                             "belong into the estimator's own config")
        super().__init__(init_cfg=None)
        self.checkpoint = init_cfg['checkpoint'] if init_cfg else None
        self.checkpoint_required = bool(init_cfg and init_cfg.get('required', True))
        self.prefix = init_cfg.get('prefix', '') if init_cfg else ''
        self.estimator = estimator

    def init_weights(self) -> None:
        """Initialise the network, or load its weights where ``init_cfg`` says so."""
        if self.checkpoint is None or not self._has_checkpoint(self.checkpoint):
            super().init_weights()
            return
        self._is_init = True  # nothing is left to draw: the file holds every weight
        try:
            prefix = rf'^(module\.)?({re.escape(self.prefix)}\.)?'
            checkpoint = _load_checkpoint(self.checkpoint, map_location='cpu')
            state = checkpoint.get('state_dict', checkpoint)
            for name in self.constants:
                state.setdefault(name, getattr(self.estimator, name))
            _load_checkpoint_to_model(self.estimator, checkpoint, strict=True,
                                      revise_keys=[(prefix, '')])
        except RuntimeError as error:
            raise ValueError(f'{self.checkpoint} does not hold the weights of '
                             f'{type(self.estimator).__name__}: {error}') from error

    def _has_checkpoint(self, checkpoint: str) -> bool:
        if osp.isfile(checkpoint):
            return True
        message = (f'no weights of {type(self.estimator).__name__} at {checkpoint}; '
                   f'{self.source}')
        if self.checkpoint_required:
            raise FileNotFoundError(message)
        print_log(f'{message}. The flow network starts untrained.', logger='current',
                  level=logging.WARNING)
        return False
