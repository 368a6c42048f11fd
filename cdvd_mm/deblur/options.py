"""What a user may ask of a restored video."""

from __future__ import annotations

import dataclasses

from cdvd_mm.video.scene_cuts import DEFAULT_THRESHOLD


@dataclasses.dataclass(frozen=True)
class DeblurOptions:
    """What to do with a video besides restoring it.

    Args:
        compare (bool): Write blurred and restored side by side.
        start (float | None): First second wanted, counted from the first frame.
        end (float | None): First second not wanted any more.
        scene_cuts (bool): Begin anew at hard cuts.
        scene_threshold (float): See
            :class:`~cdvd_mm.video.scene_cuts.SceneCutDetector`.
        codec (str | None): Encoder; None: what suits the container.
        quality (float | None): Its constant quality (CRF).
        codec_options (dict | None): Its further options.
        fps (float | None): Frames a second of a folder of frames.
        overwrite (bool): Replace an output that exists.
        resume (bool): Go on where an interrupted run with these settings ended.
        segment_frames (int): Frames that an interruption costs at most.
    """

    compare: bool = False
    start: float | None = None
    end: float | None = None
    scene_cuts: bool = False
    scene_threshold: float = DEFAULT_THRESHOLD
    codec: str | None = None
    quality: float | None = None
    codec_options: dict | None = None
    fps: float | None = None
    overwrite: bool = False
    resume: bool = True
    segment_frames: int = 120

    def __post_init__(self) -> None:
        if self.start is not None and self.start < 0:
            raise ValueError(f'start must not be negative, found {self.start}')
        if self.end is not None and self.end <= (self.start or 0):
            raise ValueError(f'end ({self.end} s) must lie after start ({self.start or 0} s)')
        if self.segment_frames < 1:
            raise ValueError(f'segment_frames must be 1 or more, found {self.segment_frames}')
        if self.fps is not None and self.fps <= 0:
            raise ValueError(f'fps must be positive, found {self.fps}')
