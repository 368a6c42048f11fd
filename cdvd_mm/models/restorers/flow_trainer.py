"""Training of a flow estimator on exact flow."""

from __future__ import annotations

import torch
from mmagic.structures import DataSample
from mmengine.model import BaseModel
from torch import Tensor

from cdvd_mm.registry import MODELS


@MODELS.register_module()
class FlowTrainer(BaseModel):
    """Trains a flow estimator on the middle of blurred windows whose flow is known.

    The loss is the mean of ``sqrt(|flow - exact|^2 + eps)``, the end-point error but for its kink
    at 0, from the middle frame to the previous and to the next one. What is saved under
    ``generator`` can be loaded with ``init_cfg=dict(type='Pretrained', prefix='generator', ...)``.

    Args:
        generator (dict): Config of a :class:`~cdvd_mm.models.protocols.FlowEstimator`.
        eps (float): Square pixels. Default: 1e-4.
        data_preprocessor (dict, optional): Config of MMagic's DataPreprocessor; brings frames to
            [0, 1].
    """

    def __init__(self, generator: dict, eps: float = 1e-4,
                 data_preprocessor: dict | None = None) -> None:
        super().__init__(data_preprocessor=data_preprocessor)
        self.generator = MODELS.build(generator)
        self.eps = eps

    def forward(self, inputs: Tensor, data_samples: DataSample,
                mode: str = 'loss') -> Tensor | dict[str, Tensor]:
        """Estimate flow, or compute the loss.

        Args:
            inputs (Tensor): Blurred frames (n, t, 3, h, w), RGB in [0, 1], t odd.
            data_samples (DataSample): Stacked; ``flow`` (n, t, 2, h, w), where the pixels of the
                middle frame are in every frame, in pixels, x then y.
            mode (str): 'loss', or 'tensor': the flow (2 n, 2, h, w), to the previous frames first.

        Returns:
            Tensor | dict[str, Tensor]: The flow, or ``loss_flow`` and the mean length of the exact
            flow, ``flow_magnitude``, in pixels.

        Raises:
            ValueError: Another mode: how far the flow is off is what the loss says.
        """
        middle = inputs.shape[1] // 2
        neighbours = (middle - 1, middle + 1)
        height, width = inputs.shape[-2:]
        reference = self.generator.encode(inputs[:, middle].repeat(2, 1, 1, 1))
        others = self.generator.encode(torch.cat([inputs[:, k] for k in neighbours]))
        flow = self.generator.decode(reference, others, size=(height, width))
        if mode == 'tensor':
            return flow
        if mode != 'loss':
            raise ValueError(f"mode must be 'loss' or 'tensor', found {mode!r}")
        exact = torch.cat([data_samples.flow[:, k] for k in neighbours])
        distance = (flow.float() - exact).square().sum(1)
        return dict(loss_flow=(distance + self.eps).sqrt().mean(),
                    flow_magnitude=torch.linalg.vector_norm(exact, dim=1).mean())
