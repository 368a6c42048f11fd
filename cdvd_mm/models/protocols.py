"""How networks are fed: what streaming, restorers and tools may rely on.

A network is one of these by having their members; it need not inherit from
them. :func:`~cdvd_mm.models.streaming.build_streamer` and the restorers choose
by them, and so can a network of another package join in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

from torch import Tensor

Features: TypeAlias = dict[str, Tensor] | None
"""What a frame brings into every flow it is part of: by name, dimension 0 is
that of the frames. None where no flow is estimated."""


class StageDetails(NamedTuple):
    """What one stage of a cascade computes on its way; k = t - 2 triples of a clip of t.

    Attributes:
        restored (Tensor): (n, k, 3, h, w) RGB, not clamped.
        aligned (Tensor): (n, k, 3, 3, h, w): warped previous, middle, warped
            next frame; RGB in [0, 1].
        masks (Tensor): (n, k, 2, 1, h, w), validity of the warped frames, 0
            or 1.
        flows (Tensor, optional): (n, k, 2, 2, h, w) in pixels, x then y, from
            the middle frame to the previous and to the next one. None where
            no flow is estimated.
        sharpness (Tensor, optional): S (n, k, 1, h, w) in [0, 1]; None without
            a prior.
    """

    restored: Tensor
    aligned: Tensor
    masks: Tensor
    flows: Tensor | None
    sharpness: Tensor | None


@runtime_checkable
class FlowEstimator(Protocol):
    """Estimates flow in two steps, so that a frame is encoded once for all of its pairs."""

    def encode(self, frames: Tensor) -> dict[str, Tensor]:
        """(n, 3, h, w), RGB in [0, 1], to features of which dimension 0 is n."""
        ...

    def decode(self, reference: dict[str, Tensor], neighbour: dict[str, Tensor], /,
               size: tuple[int, int]) -> Tensor:
        """Where in the neighbours a pixel of the references is: (n, 2, h, w), pixels, x then y."""
        ...


@runtime_checkable
class Sized(Protocol):
    """What a network says of the frames that it takes.

    Attributes:
        size_divisor (int): Height and width must be multiples of this.
        min_size (int): Height and width must be at least this.
    """

    size_divisor: int
    min_size: int


@runtime_checkable
class MixedPrecisionNetwork(Protocol):
    """Only a part of it computes in half precision; others do as a whole, under autocast.

    Attributes:
        half_part (str): Name of the submodule that may compute in half
            precision, and be compiled; (n, c, h, w) to (n, c', h, w).
    """

    half_part: str


@runtime_checkable
class MeasuredInBFloat16(Protocol):
    """Its results in bfloat16 were compared with those in float32.

    Attributes:
        bfloat16_difference (float): Largest difference of the mean PSNR that was found, in dB.
    """

    bfloat16_difference: float


@runtime_checkable
class WindowNetwork(Sized, Protocol):
    """Restores the middle of a window: EDVR.

    Attributes:
        num_frames (int): Frames of a window, odd.
    """

    num_frames: int

    def __call__(self, frames: Tensor) -> Tensor:
        """(n, num_frames, 3, h, w) to the middle frames (n, 3, h, w); RGB, [0, 1] in."""
        ...


@runtime_checkable
class CascadeNetwork(WindowNetwork, Protocol):
    """A window network made of stages, each of which restores the middle of three: CDVDNet.

    Attributes:
        num_stages (int): T; a window has 2 T + 1 frames.
    """

    num_stages: int

    def forward_stages(self, frames: Tensor, num_active_stages: int | None = None) -> list[Tensor]:
        """(n, t, 3, h, w) to the frames of stage s = 1, 2, ...: (n, t - 2 s, 3, h, w)."""
        ...

    def forward_details(self, frames: Tensor,
                        num_active_stages: int | None = None) -> list[StageDetails]:
        """As :meth:`forward_stages`, with what the stages compute on their way."""
        ...

    def encode(self, frames: Tensor) -> Features:
        """(n, 3, h, w) to the flow features of the frames."""
        ...

    def restored_features(self, restored: Tensor, features: Features) -> Features:
        """Flow features of frames (n, 3, h, w) that a stage restored.

        Args:
            restored (Tensor): The frames, RGB.
            features (dict[str, Tensor], optional): What they had before.
        """
        ...

    def restore_triples(self, frames: Sequence[Tensor],
                        features: Sequence[Features] | None = None) -> Tensor:
        """Previous, middle, next frames, each (n, 3, h, w), to the middle ones restored."""
        ...


@runtime_checkable
class RecurrentNetwork(Sized, Protocol):
    """Only looks back: STFAN. Its ``forward`` takes whole videos (n, t, 3, h, w)."""

    def step(self, blurred: Tensor, previous_blurred: Tensor | None = None,
             previous_restored: Tensor | None = None, state: Any = None) -> tuple[Tensor, Any]:
        """Restore a frame.

        Args:
            blurred (Tensor): (n, 3, h, w) RGB in [0, 1].
            previous_blurred (Tensor, optional): The frame before. None: the
                video begins.
            previous_restored (Tensor, optional): That frame restored and
                clamped to [0, 1].
            state (optional): What the step before gave.

        Returns:
            tuple: The restored frame (n, 3, h, w), not clamped, and the state.
        """
        ...


@runtime_checkable
class ClipNetwork(Sized, Protocol):
    """Restores the frames of a clip together, looking both ways: DSTNet+, ESTRNN.

    Attributes:
        context (int): Frames at either end of a clip that it needs and does
            not restore.
        min_frames (int): Least length of a clip.
    """

    context: int
    min_frames: int

    def __call__(self, frames: Tensor) -> Tensor:
        """(n, t, 3, h, w) to (n, t - 2 * context, 3, h, w), not clamped; RGB, [0, 1] in."""
        ...


@runtime_checkable
class DelayedNetwork(ClipNetwork, Protocol):
    """A clip network that goes through time once and waits for ``context`` frames: ESTRNN."""

    def encode(self, frame: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """(n, 3, h, w) and what the call before gave (None: the video begins) to both anew."""
        ...

    def restore(self, window: Sequence[Tensor]) -> Tensor:
        """What 2 context + 1 frames were encoded to, in order, to the middle one (n, 3, h, w)."""
        ...


@runtime_checkable
class KnowsItsMemory(Protocol):
    """A clip network that says how much memory it takes.

    Attributes:
        bytes_per_pixel (int): For every pixel of every frame of a clip, without gradients.
    """

    bytes_per_pixel: int


def describe_protocols() -> str:
    """What a network must offer to be fed frame by frame, for messages of errors."""
    return ('a cascade (num_stages, encode, restored_features, restore_triples ...), a recurrent '
            'network (step), one that restores the middle of a window (num_frames) or a clip '
            '(context, min_frames), all with size_divisor and min_size; see '
            'cdvd_mm.models.protocols')
