"""Reading and writing of videos and frame folders through PyAV.

Nothing here knows of a network: frames go in and out as NumPy arrays
``(h, w, 3)``, RGB, uint8 or (more than 8 bits a channel) uint16.
"""

from .container import write_container
from .encoder import SegmentEncoder
from .encoding import EncodeSpec, plan_encoding
from .frames import Frame, FrameReader, VideoInfo, select_frames
from .reader import open_reader
from .segments import SegmentStore, read_segment, write_segment

__all__ = [
    'EncodeSpec', 'Frame', 'FrameReader', 'SegmentEncoder', 'SegmentStore', 'VideoInfo',
    'open_reader', 'plan_encoding', 'read_segment', 'select_frames', 'write_container',
    'write_segment'
]
