"""Comparing a checkpoint with the model it is to be loaded into."""

from collections.abc import Mapping

from torch import Tensor, nn

SHOWN = 6
"""Keys listed of each kind; the rest is counted."""

COUNTERS = ('step_counter', 'num_steps')
"""Buffers that count training steps (MMagic's and this package's): no part of what a model is."""


def get_state_dict(checkpoint: Mapping, source: str) -> Mapping[str, Tensor]:
    """Return the weights of a checkpoint.

    Args:
        checkpoint (Mapping): What was loaded: MMEngine's form with
            ``state_dict``, or bare weights.
        source (str): Where it came from, for messages.

    Raises:
        ValueError: There are no weights in it.
    """
    state_dict = None
    if isinstance(checkpoint, Mapping):
        state_dict = checkpoint.get('state_dict', checkpoint)
    if not isinstance(state_dict, Mapping) or not state_dict:
        raise ValueError(f'{source} holds no weights: expected a checkpoint of MMEngine with '
                         f'"state_dict", found {type(checkpoint).__name__}')
    # DistributedDataParallel puts its own name in front.
    return {key.removeprefix('module.'): value for key, value in state_dict.items()}


def check_state_dict(model: nn.Module, state_dict: Mapping[str, Tensor],
                     source: str) -> dict[str, Tensor]:
    """Refuse weights that are not exactly those of the model.

    Counters of training steps may be missing, left over or of another shape.

    Args:
        model (nn.Module): The model that is to be filled.
        state_dict (Mapping[str, Tensor]): Weights by name.
        source (str): Where they came from, for messages.

    Returns:
        dict[str, Tensor]: What the model can load strictly.

    Raises:
        ValueError: Weights are missing, left over or of another shape; the
            message lists them.
    """
    wanted = model.state_dict()
    counters = {key: wanted[key] for key in COUNTERS if key in wanted}
    for key, value in counters.items():
        if key in state_dict and state_dict[key].shape == value.shape:
            counters[key] = state_dict[key]
    state_dict = {key: value for key, value in state_dict.items() if key not in COUNTERS}
    state_dict.update(counters)
    missing = [key for key in wanted if key not in state_dict]
    left_over = [key for key in state_dict if key not in wanted]
    reshaped = [
        f'{key} {tuple(state_dict[key].shape)} instead of {tuple(value.shape)}'
        for key, value in wanted.items()
        if key in state_dict and state_dict[key].shape != value.shape
    ]
    problems = [
        f'{len(items)} {kind}: {", ".join(items[:SHOWN])}{", ..." if len(items) > SHOWN else ""}'
        for kind, items in (('missing', missing), ('left over', left_over),
                            ('of another shape', reshaped)) if items
    ]
    if problems:
        raise ValueError(
            f'{source} is not a checkpoint of this {type(model).__name__} '
            f'({len(wanted)} weights expected, {len(state_dict)} found); '
            + '; '.join(problems) + '. Check that config and checkpoint belong together; '
            'checkpoints of other programs go through tools/model_converters/convert.py first.')
    return state_dict
