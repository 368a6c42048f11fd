"""MMagic's restorers of EDVR and BasicVSR++ for full-size deblurring data."""

from typing import Any

from mmagic.models.editors import EDVR, BasicVSR
from mmagic.structures import DataSample
from torch import Tensor

from cdvd_mm.registry import MODELS

from .clip_testing import ClipTestingMixin
from .fitted_size import FittedSizeMixin


@MODELS.register_module()
class EDVRDeblur(FittedSizeMixin, EDVR):
    """MMagic's ``EDVR`` for windows with a sharp frame for each of theirs.

    Takes the centre frame as the truth, and frames of any size. Arguments: see
    MMagic's ``EDVR``; ``train_cfg=dict(tsa_iter=...)`` is the number of
    iterations for which the fusion alone is trained, where the generator's
    config says ``with_tsa=True``.
    """

    def set_training_step(self, step: int, logs: bool = True) -> None:
        """Say which optimiser step the next batch belongs to.

        MMagic's counter is not in checkpoints and counts batches: a resumed
        training would rest the network anew, one that accumulates gradients
        too briefly.

        Args:
            step (int): Steps done.
            logs (bool): Not used.
        """
        self.step_counter.fill_(step)
        if self.with_tsa and self.tsa_iter:
            for name, param in self.generator.named_parameters():
                param.requires_grad_(step >= self.tsa_iter or 'fusion' in name)

    def forward_train(self, inputs: Tensor, data_samples=None, **kwargs) -> dict[str, Tensor]:
        """Compute the loss of a batch of windows.

        Args:
            inputs (Tensor): Blurred frames (n, t, c, h, w), RGB in [0, 1].
            data_samples (DataSample): Stacked, with ``gt_img`` (n, c, h, w) or
                that of the whole window (n, t, c, h, w), RGB in [0, 1].
            **kwargs: Not used.

        Returns:
            dict[str, Tensor]: ``loss``.
        """
        sharp = data_samples.gt_img
        if sharp.dim() == 5:
            data_samples = DataSample(gt_img=sharp[:, sharp.shape[1] // 2])
        return super().forward_train(inputs, data_samples)

    def convert_to_datasample(self, predictions, data_samples, inputs) -> list:
        """Add predictions and the blurred centre frame (n, c, h, w) to the data samples."""
        centre = None if inputs is None else inputs[:, inputs.shape[1] // 2]
        return super().convert_to_datasample(predictions, data_samples, centre)


@MODELS.register_module()
class BasicVSRDeblur(ClipTestingMixin, BasicVSR):
    """MMagic's ``BasicVSR``, for its BasicVSR++ on frames of any size and number.

    MMagic's network does not say how it is to be fed, so this does, in the
    terms of :class:`~cdvd_mm.models.protocols.ClipNetwork`.

    Args:
        generator (dict): Config of the network, with full-size input.
        pixel_loss (dict): Config of the loss.
        test_cfg (dict, optional): ``clip_length`` and ``overlap``, see
            :class:`ClipRestorer`. Default: None, whole videos.
        **kwargs: See MMagic's ``BasicVSR``.
    """

    def __init__(self, generator: dict, pixel_loss: dict, test_cfg: dict | None = None,
                 **kwargs: Any) -> None:
        super().__init__(generator=generator, pixel_loss=pixel_loss, test_cfg=test_cfg, **kwargs)
        network = self.generator
        network.size_divisor = 4
        network.min_size = 256  # it estimates flow at a quarter of the size, of 64 pixels or more
        network.context = 0
        network.min_frames = 2  # it needs a neighbour
        network.bytes_per_pixel = 100
        self.set_clips(test_cfg)

    def set_training_step(self, step: int, logs: bool = True) -> None:
        """Say which optimiser step the next batch belongs to; MMagic counts batches.

        Args:
            step (int): Steps done.
            logs (bool): Not used.
        """
        self.step_counter.fill_(step)

    def forward_tensor(self, inputs: Tensor, data_samples: Any = None, **kwargs: Any) -> Tensor:
        """Restore sequences (n, t, c, h, w) of any size and length.

        A single frame is given to the network twice.
        """
        if inputs.shape[1] == 1:
            restored = super().forward_tensor(inputs.expand(-1, 2, -1, -1, -1), **kwargs)
            return restored[:, :1]
        return super().forward_tensor(inputs, data_samples, **kwargs)
