"""Training and testing of networks that go through a video frame by frame."""

from mmagic.models import BaseEditModel
from mmagic.structures import DataSample
from torch import Tensor

from cdvd_mm.registry import MODELS

from .fitted_size import FittedSizeMixin


@MODELS.register_module()
class RecurrentRestorer(FittedSizeMixin, BaseEditModel):
    """Restorer for recurrent networks, such as STFANNet.

    Training runs through a sequence of frames and compares all of them with
    their sharp frames; testing restores whole videos.

    Args:
        generator (dict): Config of the network; offers
            ``forward(frames, detach_every)`` and ``size_divisor``.
        pixel_loss (dict): Config of a loss that averages over elements.
        perceptual_loss (dict, optional): Config of MMagic's
            ``PerceptualLoss``, whose VGG weights torchvision downloads.
            Default: None, no such part.
        train_cfg (dict, optional): ``detach_every``: cut the graph after this
            many frames of a sequence (truncated back-propagation, less
            memory). Default: None, gradients flow through the whole sequence.
        test_cfg (dict, optional): Kept for MMagic's interface.
        init_cfg (dict, optional): Initialisation, see MMEngine's BaseModule.
        data_preprocessor (dict, optional): Config of MMagic's
            DataPreprocessor; brings frames to [0, 1].
    """

    def __init__(self,
                 generator: dict,
                 pixel_loss: dict,
                 perceptual_loss: dict | None = None,
                 train_cfg: dict | None = None,
                 test_cfg: dict | None = None,
                 init_cfg: dict | None = None,
                 data_preprocessor: dict | None = None) -> None:
        super().__init__(
            generator=generator,
            pixel_loss=pixel_loss,
            train_cfg=train_cfg,
            test_cfg=test_cfg,
            init_cfg=init_cfg,
            data_preprocessor=data_preprocessor)
        self.perceptual_loss = MODELS.build(perceptual_loss) if perceptual_loss else None
        self.detach_every = (train_cfg or {}).get('detach_every')

    def forward_train(self, inputs: Tensor, data_samples=None, **kwargs) -> dict[str, Tensor]:
        """Compute the losses of a batch of sequences.

        Args:
            inputs (Tensor): Blurred frames (n, t, c, h, w), RGB in [0, 1].
            data_samples (DataSample): Stacked, with ``gt_img`` (n, t, c, h, w)
                RGB in [0, 1].
            **kwargs: Not used.

        Returns:
            dict[str, Tensor]: ``loss_pixel`` and, if asked for,
            ``loss_perceptual``.

        Raises:
            ValueError: The sharp frames do not fit the blurred ones.
        """
        sharp = data_samples.gt_img
        if sharp.shape != inputs.shape:
            raise ValueError(
                'training needs a sharp frame for every blurred one, both (n, t, c, h, w), but '
                f'the blurred frames are {tuple(inputs.shape)} and the sharp ones '
                f'{tuple(sharp.shape)}')
        restored = self.forward_tensor(inputs, detach_every=self.detach_every)
        losses = {'loss_pixel': self.pixel_loss(restored, sharp)}
        if self.perceptual_loss is not None:
            # (n, t, c, h, w) -> (n * t, c, h, w); MMagic's loss gives its style part as well
            perceptual, _ = self.perceptual_loss(restored.flatten(0, 1), sharp.flatten(0, 1))
            losses['loss_perceptual'] = perceptual
        return losses

    def forward_inference(self, inputs: Tensor, data_samples=None, **kwargs) -> DataSample:
        """Restore whole videos, or the centre frames of windows.

        Args:
            inputs (Tensor): Blurred frames (n, t, c, h, w), RGB in [0, 1].
            data_samples (DataSample): Stacked; where ``gt_img`` is one frame
                (n, c, h, w), the centre frame alone is returned.
            **kwargs: Passed to the generator.

        Returns:
            DataSample: Stacked, with ``pred_img`` (n, t, c, h, w) or
            (n, c, h, w), RGB in [0, 255].
        """
        restored = self.forward_tensor(inputs, data_samples, **kwargs)
        if 'gt_img' in data_samples and data_samples.gt_img.dim() == 4:
            restored = restored[:, restored.shape[1] // 2]
        restored = self.data_preprocessor.destruct(restored, data_samples)
        return DataSample(pred_img=restored.cpu())
