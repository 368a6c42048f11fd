"""Strict loading for every way in which a runner loads weights."""

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper

from cdvd_mm.engine.checkpoint import check_state_dict, get_state_dict
from cdvd_mm.registry import HOOKS


@HOOKS.register_module()
class CheckpointCheckHook(Hook):
    """Refuses a checkpoint of another model before it is loaded.

    MMEngine's runner loads with ``strict=False`` and logs what did not fit;
    a test would then score a network of random weights.

    Raises:
        ValueError: From the runner's train or test, listing the weights that
            are missing, left over or of another shape.
    """

    priority = 'VERY_HIGH'

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """Compare the weights with the runner's model.

        Args:
            runner (Runner): The runner that is about to load.
            checkpoint (dict): What was read from the file.
        """
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        source = str(runner._load_from or 'the checkpoint')
        check_state_dict(model, get_state_dict(checkpoint, source), source)
