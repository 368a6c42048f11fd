"""Tiny videos for the tests, made with PyAV or the program ffmpeg."""

import json
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

needs_ffmpeg = pytest.mark.skipif(shutil.which('ffmpeg') is None or shutil.which('ffprobe') is None,
                                  reason='needs the programs ffmpeg and ffprobe')


def ffmpeg(*arguments: object) -> bytes:
    """Run the program; what it writes to its output."""
    return subprocess.run(['ffmpeg', '-y', '-v', 'error', '-nostdin', *map(str, arguments)],
                          check=True, stdout=subprocess.PIPE).stdout


def probe(path: Path, *arguments: str) -> dict[str, Any]:
    """What ffprobe says of a file: its format and streams, or what the arguments ask for."""
    wanted = arguments or ('-show_streams', '-show_format')
    return json.loads(subprocess.run(['ffprobe', '-v', 'error', *wanted, '-of', 'json', str(path)],
                                     check=True, stdout=subprocess.PIPE).stdout)


def moving_picture(index: int, size: tuple[int, int], scene: int = 0) -> np.ndarray:
    """A smooth picture (h, w, 3), uint8, that moves with ``index``."""
    width, height = size
    y, x = np.mgrid[:height, :width].astype(np.float64)
    planes = [127 + 90 * np.sin((x + 2 * index) / (9 + c) + scene) * np.cos((y + index) / (12 - c))
              for c in range(3)]
    image = np.stack(planes, -1) * (0.35 if scene % 2 else 1.0)
    return np.clip(image, 0, 255).astype(np.uint8)


def make_video(path: Path, num_frames: int = 12, size: tuple[int, int] = (48, 32),
               rate: Fraction = Fraction(30000, 1001), codec: str = 'libx264',
               pix_fmt: str = 'yuv420p', options: dict | None = None, audio: bool = False,
               subtitles: bool = False, rotation: int | None = None,
               sample_aspect_ratio: Fraction = Fraction(1), color: tuple = (1, 1, 1, 1),
               pts: list[int] | None = None, time_base: Fraction | None = None,
               cuts: tuple = (), faststart: bool = False) -> Path:
    """Write a video; ``color`` is range, matrix, primaries, transfer in FFmpeg's numbers."""
    container = av.open(str(path), 'w', container_options={'movflags': 'faststart'}
                        if faststart else {})
    time_base = time_base or 1 / rate
    stream = container.add_stream(codec, rate=rate, time_base=time_base,
                                  options=options or {})
    stream.width, stream.height = size
    stream.pix_fmt = pix_fmt
    context = stream.codec_context
    context.sample_aspect_ratio = sample_aspect_ratio
    if codec != 'gif':
        (context.color_range, context.colorspace, context.color_primaries,
         context.color_trc) = color
    if rotation is not None:
        stream.set_display_rotation(rotation)
    sound = container.add_stream('aac', rate=8000, layout='mono') if audio else None
    if sound is not None:
        sound.metadata['language'] = 'deu'
    words = container.add_mux_stream('mov_text' if path.suffix == '.mp4' else 'subrip') \
        if subtitles else None
    scene = 0
    for index in range(num_frames):
        scene += index in cuts
        image = moving_picture(index, size, scene)
        frame = av.VideoFrame.from_ndarray(image, 'rgb24')
        if pix_fmt == 'rgb8':
            frame = frame.reformat(format='rgb8')
        else:
            frame = frame.reformat(
                format=pix_fmt, dst_colorspace=1 if color[1] == 1 else 5,
                dst_color_range=color[0] or 1)
        frame.pts = pts[index] if pts else index
        frame.time_base = time_base
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
    if sound is not None:
        seconds = float(num_frames / rate)
        tone = (8000 * np.sin(np.arange(int(8000 * seconds)) / 5)).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(tone[None], 's16', 'mono')
        frame.sample_rate, frame.pts = 8000, 0
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    if words is not None:
        for k in range(2):
            text = f'line {k}'.encode()
            packet = av.Packet(len(text).to_bytes(2, 'big') + text if path.suffix == '.mp4'
                               else text)
            packet.stream, packet.time_base = words, Fraction(1, 1000)
            packet.pts = packet.dts = 50 + 150 * k
            packet.duration = 100
            container.mux(packet)
    container.close()
    return path


def packets(path: Path, kind: str) -> list[tuple]:
    """Time, duration and bytes of the packets of all streams of a kind."""
    with av.open(str(path)) as container:
        streams = [s for s in container.streams if s.type == kind]
        return [(float(p.pts * p.time_base), bytes(p)) for p in container.demux(streams)
                if p.size]


def images(path: Path) -> list[np.ndarray]:
    """All frames, (h, w, 3) RGB uint8."""
    from cdvd_mm.video import open_reader
    with open_reader(path) as reader:
        return [frame.image for frame in reader.frames()]


def psnr(a: np.ndarray, b: np.ndarray, peak: float = 255.) -> float:
    """PSNR in dB of two pictures."""
    error = np.mean((a.astype(np.float64) - b.astype(np.float64))**2)
    return float(10 * np.log10(peak**2 / max(error, 1e-12)))
