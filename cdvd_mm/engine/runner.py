"""MMEngine's runner with checkpoints that survive a crash and resume exactly."""

from __future__ import annotations

import time
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dist import broadcast_object_list, get_world_size, is_main_process
from mmengine.model import is_model_wrapper
from mmengine.registry import MODEL_WRAPPERS
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import DataLoader

from cdvd_mm.files import remove_partial_files

from .checkpoints import find_latest_checkpoint, get_state_dict
from .loop import ResumableTrainLoop, bare_model, without_workers


class RestorationRunner(Runner):
    """Runner that finds the latest intact checkpoint and keeps the total batch on resume.

    Arguments as MMEngine's Runner; build it with ``from_cfg``.

    Attributes:
        loading (str): The checkpoint that is being loaded or was loaded last.
    """

    loading = ''
    _resume: bool
    _load_from: str | None

    def wrap_model(self, model_wrapper_cfg: dict | None, model: nn.Module) -> nn.Module:
        """Wrap the model for several processes.

        All parameters take part in every step, so nothing looks for unused
        ones; gradients are views of the buckets they travel in, and the
        buckets travel while the backward pass is still running.

        Args:
            model_wrapper_cfg (dict, optional): See MMEngine.
            model (nn.Module): The model.
        """
        if not self.distributed or model_wrapper_cfg is not None or is_model_wrapper(model):
            return super().wrap_model(model_wrapper_cfg, model)
        model = model.to('cuda' if torch.cuda.is_available() else 'cpu')
        return MODEL_WRAPPERS.build(dict(
            type='mmengine.MMDistributedDataParallel', module=model, broadcast_buffers=False,
            find_unused_parameters=self.cfg.get('find_unused_parameters', False),
            gradient_as_bucket_view=True,
            device_ids=[torch.cuda.current_device()] if torch.cuda.is_available() else None))

    @staticmethod
    def build_dataloader(dataloader: DataLoader | dict, *args, **kwargs) -> DataLoader:
        """Build a loader, see MMEngine; what only workers can have is dropped where there are none.

        Args:
            dataloader: A loader, which is returned, or its config.
            *args: For MMEngine.
            **kwargs: Likewise.
        """
        if isinstance(dataloader, dict):
            dataloader = without_workers(dataloader)
        return Runner.build_dataloader(dataloader, *args, **kwargs)

    def load_or_resume(self) -> None:
        """Load weights, or find the checkpoint to go on from.

        A resume that finds none starts from the config's ``start_from``, if
        there is one.

        Raises:
            ValueError: Checkpoints are there, but all of them damaged.
        """
        if not self._has_loaded and self._resume and self._load_from is None:
            found: list = [None, None]
            if is_main_process():
                remove_partial_files(self.work_dir)
                try:
                    found[0] = find_latest_checkpoint(self.work_dir)
                except ValueError as error:
                    found[1] = str(error)
            broadcast_object_list(found)  # all processes take the same one
            if found[1]:
                raise ValueError(found[1])
            if found[0] is None:
                self.logger.info(f'no checkpoint in {self.work_dir}: starting anew')
                self._resume = False
                found[0] = self.cfg.get('start_from')
            self._load_from = found[0]
        super().load_or_resume()

    def load_checkpoint(self, filename: str, *args, **kwargs) -> dict:
        """Load weights, see MMEngine; what the run was like is remembered for ``resume``."""
        self.loading = str(filename)
        checkpoint = super().load_checkpoint(filename, *args, **kwargs)
        if not self._resume:
            own = bare_model(self.model).state_dict()
            if not any(name in own for name in get_state_dict(checkpoint, self.loading)):
                raise ValueError(f'not one weight of {filename} belongs to this '
                                 f'{type(bare_model(self.model)).__name__}')
        missing = [name for name in ('optimizer', 'message_hub', *self._scheduled())
                   if name not in checkpoint]
        if self._resume and missing:
            raise ValueError(f'{filename} holds no {" and no ".join(missing)}: it is no checkpoint '
                             'to go on from (a best_ one, or weights alone). Begin with its '
                             f'weights by --load-from {filename}')
        self._loaded_training = checkpoint.get('meta', {}).get('training')
        return checkpoint

    def _scheduled(self) -> tuple[str, ...]:
        return ('param_schedulers', ) if self.param_schedulers else ()

    def resume(self, filename: str, *args, **kwargs) -> None:
        """Go on from a checkpoint, see MMEngine.

        Raises:
            ValueError: It holds no state to go on from, or was trained with another total batch,
                optimiser or schedule.
        """
        self._resume = True
        super().resume(filename, *args, **kwargs)
        before, now = self._loaded_training, self._training()
        if before and now:
            self._compare(before, now)

    def save_checkpoint(self, out_dir: str, filename: str, file_client_args: dict | None = None,
                        save_optimizer: bool = True, save_param_scheduler: bool = True,
                        meta: dict | None = None, by_epoch: bool = True,
                        backend_args: dict | None = None) -> None:
        """Save a checkpoint, see MMEngine; local files appear complete or not at all.

        Raises:
            OSError: It cannot be written; what was there before is untouched.
        """
        if file_client_args is None and backend_args is None and '://' not in str(out_dir):
            backend_args = dict(backend='cdvd_mm.atomic')
        meta = dict(meta or {})
        training = self._training()
        if training:
            meta['training'] = training
        super().save_checkpoint(
            out_dir, filename, file_client_args=file_client_args, save_optimizer=save_optimizer,
            save_param_scheduler=save_param_scheduler, meta=meta, by_epoch=by_epoch,
            backend_args=backend_args)

    def _training(self) -> dict[str, Any] | None:
        loop = self._train_loop
        if not isinstance(loop, ResumableTrainLoop):
            return None
        return dict(saved=time.time(), settings=_settings(self.cfg),
                    total_batch_size=loop.sampler.total_batch_size, batch_size=loop.batch_size,
                    accumulation=loop.accumulation, world_size=get_world_size(),
                    num_samples=loop.sampler.num_samples)

    def _compare(self, before: dict[str, Any], now: dict[str, Any]) -> None:
        old, new = before.get('settings') or now['settings'], now['settings']
        changed = [f'{name} was {old.get(name)}, now it is {new.get(name)}'
                   for name in {**old, **new} if old.get(name) != new.get(name)]
        if changed:
            raise ValueError(f'the checkpoint brings its optimiser and schedule along, settings '
                             f'of which would change nothing: {"; ".join(changed)}. Leave them as '
                             f'they were, or begin with its weights by --load-from {self.loading}')
        form = ('a total batch of {total_batch_size} ({world_size} process(es) x {batch_size} '
                'sample(s) x {accumulation} accumulation(s))')
        if before['total_batch_size'] != now['total_batch_size']:
            message = (f'the checkpoint was trained with {form.format(**before)}, this run has '
                       f'{form.format(**now)}')
            if not (self.auto_scale_lr or {}).get('enable', False):
                raise ValueError(
                    f'{message}. Set train_cfg.total_batch_size={before["total_batch_size"]} to '
                    'accumulate gradients, or accept another batch by --auto-scale-lr')
            self.logger.warning(f'{message}; the run goes on, but not as the first one would have')
        elif before['world_size'] != now['world_size'] or before['batch_size'] != now['batch_size']:
            self.logger.info(f'kept {form.format(**now)}; it was {form.format(**before)}')
        if before['num_samples'] != now['num_samples']:
            self.logger.warning(
                f'the checkpoint was trained on {before["num_samples"]} samples, now there are '
                f'{now["num_samples"]}: the run does not go on as the first one would have')


def _settings(cfg: Config) -> dict[str, str]:
    """What a checkpoint brings along whatever the config says, as text by its dotted name."""
    wrapper = cfg.get('optim_wrapper') or {}
    optimizer = wrapper.get('optimizer') or {}
    found = {f'optim_wrapper.optimizer.{name}': repr(value) for name, value in optimizer.items()}
    schedulers = cfg.get('param_scheduler') or []
    for number, one in enumerate(schedulers if isinstance(schedulers, list) else [schedulers]):
        found.update((f'param_scheduler.{number}.{name}', repr(value))
                     for name, value in one.items())
    return found
