"""Frames of any size for networks that take some sizes only."""

from typing import Any

from torch import Tensor

from cdvd_mm.ops import run_padded


class FittedSizeMixin:
    """Pads the frames for the generator and crops its result back.

    For restorers built on MMagic's ``BaseEditModel``; mixed in before it. The
    generator says what it takes (:class:`~cdvd_mm.models.protocols.Sized`);
    restorers of networks that do not know override the two properties.
    """

    generator: Any

    @property
    def size_divisor(self) -> int:
        """Height and width given to the generator are multiples of this."""
        return self.generator.size_divisor

    @property
    def min_size(self) -> int:
        """Height and width given to the generator are at least this."""
        return self.generator.min_size

    def forward_tensor(self, inputs: Tensor, data_samples: Any = None, **kwargs: Any) -> Tensor:
        """Run the generator on frames of any size.

        Args:
            inputs (Tensor): (n, t, c, h, w) RGB in [0, 1].
            data_samples: Not used.
            **kwargs: Passed to the generator.

        Returns:
            Tensor: What the generator gives, (n, c, h, w) or (n, t, c, h, w),
            of the size of ``inputs``, not clamped.
        """
        return run_padded(lambda frames: self.generator(frames, **kwargs), inputs,
                          self.size_divisor, self.min_size)
