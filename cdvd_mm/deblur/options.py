"""What a user may ask of a restored video."""

from __future__ import annotations

import dataclasses
from typing import Any

from cdvd_mm.options import option, positional


def parse_time(text: str) -> float:
    """Seconds of '90', '1:30' or '0:01:30.5'.

    Raises:
        ValueError: Something else.
    """
    try:
        seconds = 0.
        for part in text.split(':'):
            seconds = 60 * seconds + float(part)
    except ValueError:
        seconds = -1.
    if text.count(':') > 2 or not 0 <= seconds < float('inf'):
        raise ValueError(f'{text!r} is no time: expected seconds or [[H:]MM:]SS')
    return seconds


@dataclasses.dataclass(frozen=True, kw_only=True)
class DeblurCommand:
    """Restore a blurred video, or a folder of frames.

    INPUT is an mp4, mov, mkv, webm or gif file (or whatever else FFmpeg decodes)
    or a folder of pictures; OUTPUT a file of one of these kinds, or a folder for
    PNG files. Sound, subtitles, frame times, rotation and colours are kept.

    exit codes: 0 done; 1 an error, or a damaged input of which everything that
    could be decoded is restored; 2 wrong usage; 130 interrupted (the same command
    goes on from there).
    """

    source: str = positional('video file or folder of frames', metavar='INPUT')
    output: str = positional('video file or folder to write', metavar='OUTPUT')
    config: str | None = positional('path of the config (default: the model that comes with the '
                                    'package)', default=None, metavar='CONFIG')
    checkpoint: str | None = positional('path of the checkpoint that was trained with it',
                                        default=None, metavar='CHECKPOINT')
    cfg_options: dict[str, Any] | None = option(None, 'override settings of the config')
    quiet: bool = option(False, 'no progress bar')

    def __post_init__(self) -> None:
        if self.config is not None and self.checkpoint is None:
            raise ValueError(f'no checkpoint is given for {self.config}: expected INPUT OUTPUT '
                             'CONFIG CHECKPOINT, or INPUT OUTPUT alone')


@dataclasses.dataclass(frozen=True, kw_only=True)
class DeblurOptions:
    """What is written."""

    compare: bool = option(False, 'write blurred | restored side by side')
    start: float | None = option(None, 'first time to restore: seconds or [[H:]MM:]SS, counted '
                                 'from the first frame', metavar='TIME', convert=parse_time)
    end: float | None = option(None, 'time to stop at', metavar='TIME', convert=parse_time)
    scene_cuts: bool = option(False, 'begin anew at hard cuts instead of aligning across them')
    scene_threshold: float = option(0.1, 'difference of thumbnails that makes a cut, 0 to 1',
                                    metavar='X')
    codec: str | None = option(None, 'h264, h265, vp9, av1, prores, ffv1 or an encoder of FFmpeg',
                               shown_default='h264, vp9 for webm; h265, av1 for more than 8 bits')
    quality: float | None = option(None, 'constant quality of the encoder, lower is better',
                                   metavar='CRF')
    codec_options: dict[str, str] | None = option(
        None, 'further options of the encoder, such as preset=slow')
    deinterlace: bool = option(False, 'make whole frames of the fields of an interlaced video')
    fps: float | None = option(None, 'frames a second of a folder', shown_default='30')
    strict: bool = option(False, 'refuse where anything but the blur would be lost or changed')
    overwrite: bool = option(False, 'replace an existing output')
    resume: bool = option(True, 'drop what an interrupted run left, start again')
    segment_frames: int = option(120, 'frames that a crash costs at most', metavar='N')

    def __post_init__(self) -> None:
        if self.start is not None and self.start < 0:
            raise ValueError(f'start must not be negative, found {self.start}')
        if self.end is not None and self.end <= (self.start or 0):
            raise ValueError(f'end ({self.end} s) must lie after start ({self.start or 0} s)')
        if self.segment_frames < 1:
            raise ValueError(f'segment_frames must be 1 or more, found {self.segment_frames}')
        if self.fps is not None and self.fps <= 0:
            raise ValueError(f'fps must be positive, found {self.fps}')
