"""Testing of networks that restore a clip at once."""

from functools import partial
from typing import Any

from mmagic.structures import DataSample
from torch import Tensor

from cdvd_mm.models.protocols import ClipNetwork
from cdvd_mm.models.streaming import build_streamer, check_clips, stream_video
from cdvd_mm.ops import run_padded

from .fitted_size import FittedSizeMixin


class ClipTestingMixin(FittedSizeMixin):
    """Restores whole videos with a clip network, clip by clip.

    For restorers built on MMagic's ``BaseEditModel`` whose generator is a
    :class:`~cdvd_mm.models.protocols.ClipNetwork`; mixed in before it.
    """

    clip_length: int | None = None
    """Frames that the network gets at once; None: the whole video."""

    overlap: int = 0
    """Frames that neighbouring clips have in common."""

    data_preprocessor: Any

    def set_clips(self, test_cfg: dict | None) -> None:
        """Take ``clip_length`` and ``overlap`` from a ``test_cfg``.

        Args:
            test_cfg (dict, optional): Of the restorer. Without ``overlap``,
                clips overlap by as much as the network needs.

        Raises:
            ValueError: The generator is no clip network, or they do not fit it.
        """
        network = self.generator
        if not isinstance(network, ClipNetwork):
            raise ValueError(f'{type(network).__name__} is no clip network: expected size_divisor, '
                             'min_size, context and min_frames; see cdvd_mm.models.protocols')
        self.clip_length = (test_cfg or {}).get('clip_length')
        self.overlap = (test_cfg or {}).get('overlap', 2 * network.context)
        check_clips(network, self.clip_length, self.overlap)

    def restore_video(self, inputs: Tensor) -> Tensor:
        """Restore all frames of videos, clip by clip.

        Args:
            inputs (Tensor): Blurred frames (n, t, c, h, w), RGB in [0, 1], of
                any size and number.

        Returns:
            Tensor: Restored frames (n, t, c, h, w), not clamped.
        """
        streamer = build_streamer(self.generator, self.clip_length, self.overlap)
        return run_padded(partial(stream_video, streamer), inputs, self.size_divisor,
                          self.min_size)

    def forward_inference(self, inputs: Tensor, data_samples=None, **kwargs) -> DataSample:
        """Restore whole videos, or the centre frames of windows.

        Args:
            inputs (Tensor): Blurred frames (n, t, c, h, w), RGB in [0, 1].
            data_samples (DataSample): Stacked; where ``gt_img`` is one frame
                (n, c, h, w), the centre frame alone is returned.
            **kwargs: Not used.

        Returns:
            DataSample: Stacked, with ``pred_img`` (n, t, c, h, w) or
            (n, c, h, w), in [0, 255] and BGR, as MMagic hands pictures out.
        """
        restored = self.restore_video(inputs)
        if 'gt_img' in data_samples and data_samples.gt_img.dim() == 4:
            restored = restored[:, restored.shape[1] // 2]
        restored = self.data_preprocessor.destruct(restored, data_samples)
        return DataSample(pred_img=restored.cpu())
