#!/usr/bin/env python
"""Restore a blurred video, or a folder of frames.

INPUT is an mp4, mov, mkv, webm or gif file (or whatever else FFmpeg decodes)
or a folder of pictures; OUTPUT a file of one of these kinds, or a folder for
PNG files. Sound, subtitles, frame times, rotation and colours are kept.

exit codes: 0 done; 1 an error, or a damaged input of which everything that
could be decoded is restored; 2 wrong usage; 130 interrupted (the same command
goes on from there).
"""

import argparse
import sys

from mmengine.config import DictAction


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    from cdvd_mm.deblur.command import parse_tile, parse_time
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('source', metavar='INPUT', help='video file or folder of frames')
    parser.add_argument('output', metavar='OUTPUT', help='video file or folder to write')
    parser.add_argument('config', metavar='CONFIG', help='path of the config')
    parser.add_argument('checkpoint', metavar='CHECKPOINT', help='path of the checkpoint')
    parser.add_argument('--device', default='auto', help='auto, cpu, cuda or cuda:N')
    parser.add_argument('--precision', default='fp32', choices=['fp32', 'tf32', 'fp16', 'bf16'],
                        help='of the restoration network; flow stays in (TF)32 bits')
    parser.add_argument('--tile', default='auto', type=parse_tile, metavar='PIXELS',
                        help='side of overlapping tiles, auto (where memory is short) or none')
    parser.add_argument('--tile-overlap', dest='overlap', default=96, type=int, metavar='PIXELS')
    parser.add_argument('--compile', action='store_true', help='use torch.compile')
    parser.add_argument('--compare', action='store_true',
                        help='write blurred | restored side by side')
    parser.add_argument('--start', type=parse_time, metavar='TIME',
                        help='first time to restore: seconds or [[H:]MM:]SS')
    parser.add_argument('--end', type=parse_time, metavar='TIME', help='time to stop at')
    parser.add_argument('--scene-cuts', action='store_true',
                        help='begin anew at hard cuts instead of aligning across them')
    parser.add_argument('--scene-threshold', type=float, default=0.1, metavar='X',
                        help='difference of thumbnails that makes a cut, 0 to 1')
    parser.add_argument('--codec', help='h264, h265, vp9, av1, prores, ffv1 or an encoder of '
                        'FFmpeg (default: h264, vp9 for webm; h265, av1 for more than 8 bits)')
    parser.add_argument('--quality', type=float, metavar='CRF',
                        help='constant quality of the encoder, lower is better')
    parser.add_argument('--codec-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
                        help='further options of the encoder, such as preset=slow')
    parser.add_argument('--fps', type=float, help='frames a second of a folder (default: 30)')
    parser.add_argument('--overwrite', action='store_true', help='replace an existing output')
    parser.add_argument('--no-resume', dest='resume', action='store_false',
                        help='drop what an interrupted run left, start again')
    parser.add_argument('--segment-frames', type=int, default=120, metavar='N',
                        help='frames that a crash costs at most')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
                        help='override settings of the config')
    parser.add_argument('--quiet', action='store_true', help='no progress bar')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Restore; return the exit code."""
    args = parse_args(argv)
    from cdvd_mm.deblur.command import run
    return run(**vars(args))


if __name__ == '__main__':
    sys.exit(main())
