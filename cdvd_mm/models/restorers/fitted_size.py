"""Frames of any size for networks that take some sizes only."""

from torch import Tensor

from cdvd_mm.ops import pad_to_multiple


class FittedSizeMixin:
    """Pads the frames for the generator and crops its result back.

    For restorers built on MMagic's ``BaseEditModel``; mixed in before it. The
    sizes come from the generator's ``size_divisor`` and ``min_size``, or from
    the class where the generator has none.
    """

    size_divisor = 1
    """Height and width given to the generator are multiples of this."""

    min_size = 0
    """Height and width given to the generator are at least this."""

    def forward_tensor(self, inputs: Tensor, data_samples=None, **kwargs) -> Tensor:
        """Run the generator on frames of any size.

        Args:
            inputs (Tensor): (n, t, c, h, w) RGB in [0, 1].
            data_samples: Not used.
            **kwargs: Passed to the generator.

        Returns:
            Tensor: What the generator gives, (n, c, h, w) or (n, t, c, h, w),
            of the size of ``inputs``.
        """
        height, width = inputs.shape[-2:]
        divisor = getattr(self.generator, 'size_divisor', self.size_divisor)
        min_size = getattr(self.generator, 'min_size', self.min_size)
        padded = pad_to_multiple(inputs, divisor, min_size)
        return self.generator(padded, **kwargs)[..., :height, :width]
