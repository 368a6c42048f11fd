"""Pictures of restored frames for the visualisation backends."""

from mmagic.visualization import ConcatImageVisualizer

from cdvd_mm.registry import VISUALIZERS


@VISUALIZERS.register_module()
class RestorationVisualizer(ConcatImageVisualizer):
    """Draws blurred, restored and sharp frame side by side.

    MMagic names a picture by the last part of a path, which frames of
    different videos share; here the name is that of video and frame.
    """

    def add_datasample(self, data_sample, step: int = 0) -> None:
        """Draw one restored frame.

        Args:
            data_sample (DataSample): With ``key`` ('<video>/<frame>'), the
                blurred centre frame ``input`` and ``gt_img`` (c, h, w) in BGR
                0..255, and ``output.pred_img`` likewise.
            step (int): Iteration, part of the file name.
        """
        named = data_sample.new()
        named.set_metainfo({self.fn_key: str(data_sample.key).replace('/', '_')})
        super().add_datasample(named, step)
