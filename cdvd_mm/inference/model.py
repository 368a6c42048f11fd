"""A trained model, ready to be called."""

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import nn

from cdvd_mm.engine.checkpoints import load_weights
from cdvd_mm.engine.config import load_config
from cdvd_mm.registry import MODELS


def select_device(device: str = 'auto') -> torch.device:
    """Return the device to compute on.

    Args:
        device (str): 'auto' (the first GPU, or the CPU), 'cpu', 'cuda' or
            'cuda:1'.

    Raises:
        ValueError: A GPU is asked for that is not there, or the name is no
            device.
    """
    if device == 'auto':
        return torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    try:
        selected = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f'unknown device {device!r}; expected auto, cpu, cuda or cuda:N') \
            from error
    if selected.type == 'cuda':
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (selected.index or 0) >= count:
            raise ValueError(
                f'device {device!r} is asked for, but PyTorch {torch.__version__} finds {count} '
                'GPU(s) here; use --device cpu, or check the driver with '
                'cdvd-mm check-env')
    return selected


def init_model(config: str | Config, checkpoint: str | None = None, device: str = 'auto',
               options: dict | None = None) -> nn.Module:
    """Build the model of a config and load its weights strictly.

    Args:
        config (str | Config): The config or its path.
        checkpoint (str, optional): Path of a checkpoint. Default: None,
            weights as initialised.
        device (str): See :func:`select_device`.
        options (dict, optional): Settings that override the config's.

    Returns:
        nn.Module: The restorer in evaluation mode on the device; its network
        is ``model.generator``.

    Raises:
        FileNotFoundError: Config or checkpoint is not there.
        ValueError: The device is not there, or the checkpoint is one of
            another model; the message lists the weights that do not fit.
    """
    selected = select_device(device)
    cfg = load_config(config, options) if isinstance(config, str) else config
    if not isinstance(config, str) and options:
        cfg = Config(cfg.to_dict())
        cfg.merge_from_dict(options)
    init_default_scope(cfg.get('default_scope', 'cdvd_mm'))
    model = MODELS.build(cfg.model)
    if checkpoint is not None:
        load_weights(model, checkpoint)
    return model.to(selected).eval()
