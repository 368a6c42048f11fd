"""SpyNet as MMagic has it, behind the interface of the other flow estimators."""

import torch
from mmagic.models.editors.basicvsr.basicvsr_net import SPyNet
from torch import Tensor

from cdvd_mm.registry import MODELS

from .pretrained import PretrainedEstimator


@MODELS.register_module()
class SpyNetEstimator(PretrainedEstimator):
    """Optical flow in pixels between RGB frames in [0, 1], from coarse to fine.

    Ranjan, Black: Optical Flow Estimation using a Spatial Pyramid Network,
    CVPR 2017; the form of six levels without normalisation layers that
    BasicVSR and CDVD-TSPNL use (1,440,044 parameters). MMagic's network does
    all that they ask: it subtracts ImageNet's mean, takes any size (resized to
    multiples of 32, the flow scaled back), and computes no features of a frame
    that several pairs could share.

    Args:
        init_cfg (dict, optional): ``dict(type='Pretrained', checkpoint=FILE)``,
            such as OpenMMLab's ``spynet_20210409-c6c1bd09.pth``; see
            :class:`~cdvd_mm.models.flow_estimators.pretrained.PretrainedEstimator`,
            which also names the errors. Default: None, PyTorch's own start.
    """

    source = "OpenMMLab's spynet_20210409-c6c1bd09.pth is taken as it is"
    constants = ('mean', 'std')  # MMagic makes them after it has loaded that file, strictly

    def __init__(self, init_cfg: dict | None = None) -> None:
        super().__init__(SPyNet(pretrained=None), init_cfg)

    def forward(self, reference: Tensor, neighbour: Tensor) -> Tensor:
        """Estimate the flow from ``reference`` to ``neighbour``.

        Args:
            reference (Tensor): (n, 3, h, w) RGB in [0, 1].
            neighbour (Tensor): (n, 3, h, w) RGB in [0, 1].

        Returns:
            Tensor: (n, 2, h, w) in pixels, x then y, float32 at least: a pixel
            of the reference is found at its place plus the flow in the
            neighbour.

        Raises:
            ValueError: frames that are not (n, 3, h, w), or differ in shape.
        """
        if reference.ndim != 4 or reference.shape[1] != 3 or reference.shape != neighbour.shape:
            raise ValueError('flow needs two RGB frames (n, 3, h, w) of one shape, not '
                             f'{tuple(reference.shape)} and {tuple(neighbour.shape)}')
        # a flow in half precision would be off by a fraction of a pixel
        with torch.autocast(reference.device.type, enabled=False):
            dtype = torch.promote_types(reference.dtype, torch.float32)
            return self.estimator(reference.to(dtype), neighbour.to(dtype))

    def encode(self, frames: Tensor) -> dict[str, Tensor]:
        """Return the frames (n, 3, h, w) themselves: this network shares nothing else."""
        return {'frames': frames}

    def decode(self, reference_features: dict[str, Tensor],
               neighbour_features: dict[str, Tensor], size: tuple[int, int]) -> Tensor:
        """Estimate the flow between what :meth:`encode` gave: (n, 2, h, w) in pixels."""
        return self(reference_features['frames'], neighbour_features['frames'])
