"""Films of pictures by a simulated hand-held camera, made while training: nothing to download."""

from __future__ import annotations

import io
import os
from collections import OrderedDict
from collections.abc import Sequence

import cv2
import numpy as np
from mmengine.dataset import Compose
from torch.utils.data import Dataset

from cdvd_mm.registry import DATASETS

from .camera_film import Film, Response, average_clip, film_layers, picture_layer, shape_layer
from .camera_motion import MotionPath

VIDEO_SUFFIXES = ('.mp4', '.mov', '.mkv', '.avi', '.webm', '.m4v')
PICTURE_SUFFIXES = ('.png', '.jpg', '.jpeg', '.bmp', '.tif', '.tiff')
# Sharp photographs and textures among the pictures inside scikit-image's wheel.
SKIMAGE_PICTURES = (
    'astronaut.png', 'brick.png', 'camera.png', 'chelsea.png', 'coffee.png', 'coins.png',
    'grass.png', 'gravel.png', 'hubble_deep_field.jpg', 'ihc.png', 'moon.png',
    'motorcycle_left.png', 'motorcycle_right.png', 'page.png', 'retina.jpg', 'rocket.jpg',
    'text.png')
NUM_DEAD_LEAVES = 16


@DATASETS.register_module()
class SimulatedCameraDataset(Dataset):
    """Windows of frames that a simulated hand-held camera films, without end.

    A film is a few frames of a square, either filmed from pictures (background and foregrounds
    that move, turn and grow at a changing speed; exposures of 0.3 to 1 frame averaged in linear
    light; highlights that clip; noise; JPEG or H.264 compression of some) or averaged from
    consecutive real frames. Some are sharp, and have to be given back as they are. Every film is
    cut ``crops_per_film`` times, near each other in the order but not next to each other.

    Sample number ``index`` depends on ``seed`` and ``index`` alone, so that a training resumes
    exactly at any of them; films that were made lately are kept.

    Args:
        clips (Sequence[str]): Videos of sharp consecutive frames, for averages and as pictures.
        pictures (Sequence[str]): Files or folders of pictures, read at all depths;
            ``'scikit-image'`` stands for those inside its wheel, ``'dead-leaves'`` for drawn ones,
            see :func:`dead_leaves`. Default: ``('scikit-image', 'dead-leaves')``.
        num_frames (int): Frames of a window, odd. Default: 5.
        film_size (int): Side of a film in pixels. Default: 128.
        crop_size (int): Side of a sample. Default: 64.
        crops_per_film (int): Samples cut from a film. Default: 8.
        films_at_once (int): Films that the samples of a while come from. Default: 64.
        averaged (float): Share of the films that are averages of real frames, where there are
            ``clips``. Default: 0.5.
        photographs (float): Share of the pictures filmed that come from ``pictures`` and not from
            ``clips``. Default: 0.6.
        still (float): Share of the films whose exposures are too short for any blur, the camera
            moving or not. Default: 0.08.
        max_speed (Sequence[float]): Highest mean speed in pixels a frame, at the start and at the
            end of the curriculum. Default: (6, 16).
        min_psnr (Sequence[float]): Films whose blurred frame is below it in dB are left out, at
            the start and at the end of the curriculum. Default: (25, 18).
        curriculum (int): Samples after which blur is at its strongest. Default: 200,000.
        length (int): Number of samples. Default: 1,000,000,000.
        seed (int): Default: 0.
        sharp_window (bool): Give sharp frames of the whole window, not only the middle one.
            Default: False.
        with_flow (bool): Give the exact flow, of films from pictures alone. Default: False.
        pipeline (Sequence[dict | Callable]): Transforms.

    Raises:
        ValueError: Numbers that do not fit each other, or nothing to film.
        FileNotFoundError: A clip or folder that is not there.
    """

    def __init__(self,
                 clips: Sequence[str] = (),
                 pictures: Sequence[str] = ('scikit-image', 'dead-leaves'),
                 num_frames: int = 5,
                 film_size: int = 128,
                 crop_size: int = 64,
                 crops_per_film: int = 8,
                 films_at_once: int = 64,
                 averaged: float = 0.5,
                 photographs: float = 0.6,
                 still: float = 0.08,
                 max_speed: Sequence[float] = (6.0, 16.0),
                 min_psnr: Sequence[float] = (25.0, 18.0),
                 curriculum: int = 200_000,
                 length: int = 1_000_000_000,
                 seed: int = 0,
                 sharp_window: bool = False,
                 with_flow: bool = False,
                 pipeline: Sequence = ()) -> None:
        if num_frames % 2 == 0:
            raise ValueError(f'num_frames must be odd, found {num_frames}')
        if crop_size > film_size:
            raise ValueError(f'crop_size must be at most film_size, found {crop_size} and '
                             f'{film_size}')
        self.num_frames = num_frames
        self.film_size = film_size
        self.crop_size = crop_size
        self.crops_per_film = crops_per_film
        self.films_at_once = films_at_once
        self.averaged = averaged if clips else 0.0
        self.photographs = photographs
        self.still = still
        self.max_speed = tuple(max_speed)
        self.min_psnr = tuple(min_psnr)
        self.curriculum = curriculum
        self.length = length
        self.seed = seed
        self.sharp_window = sharp_window
        self.with_flow = with_flow
        self.pipeline = Compose(list(pipeline))
        self.clips = [read_clip(path) for path in clips]
        short = [path for path, clip in zip(clips, self.clips) if len(clip) < 9 * num_frames]
        if short:
            raise ValueError(f'clips must have at least {9 * num_frames} frames; too short: '
                             f'{", ".join(short)}')
        self.pictures = read_pictures(pictures)
        if not self.clips and not self.pictures:
            raise ValueError('nothing to film: neither clips nor pictures were given')
        self._films: OrderedDict[int, Film] = OrderedDict()

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict:
        """Sample ``index``: ``img`` and ``gt``, lists of (s, s, 3) RGB uint8, through the pipeline.

        ``gt`` holds the middle frame alone, or all with ``sharp_window``. With ``with_flow``,
        ``flow`` is a list of t arrays (s, s, 2) float32, as in
        :class:`~cdvd_mm.datasets.camera_film.Film`.
        """
        rng = np.random.default_rng((self.seed, 1, index))
        film = self._film(self._film_number(index))
        return self.pipeline(self._cut(rng, film, index))

    def _film_number(self, index: int) -> int:
        """The films of a while, each as often, in an order of their own."""
        together = self.films_at_once * self.crops_per_film
        block, position = divmod(index, together)
        order = np.random.default_rng((self.seed, 2, block)).permutation(together)
        return block * self.films_at_once + int(order[position]) // self.crops_per_film

    def _film(self, number: int) -> Film:
        film = self._films.get(number)
        if film is None:
            film = self._films[number] = self.make_film(number)
            if len(self._films) > self.films_at_once:
                self._films.popitem(last=False)
        return film

    def _cut(self, rng: np.random.Generator, film: Film, index: int) -> dict:
        spare = self.film_size - self.crop_size
        top, left = rng.integers(0, spare + 1, size=2)
        box = np.s_[:, top:top + self.crop_size, left:left + self.crop_size]
        blurred, sharp = film.blurred[box], film.sharp[box]
        if film.flow is not None:
            return dict(img=list(blurred), gt=list(sharp), flow=list(film.flow[box]),
                        key=f'film/{index}', sample_idx=index)
        turns, mirrored, backwards = int(rng.integers(4)), rng.random() < 0.5, rng.random() < 0.5
        blurred, sharp = (_turn(frames, turns, mirrored, backwards) for frames in (blurred, sharp))
        middle = self.num_frames // 2
        gt = list(sharp) if self.sharp_window else [sharp[middle]]
        return dict(img=list(blurred), gt=gt, key=f'film/{index}', sample_idx=index)

    def make_film(self, number: int) -> Film:
        """Film number ``number``; strength grows with it as the curriculum says."""
        rng = np.random.default_rng((self.seed, 0, number))
        progress = min(1.0, number * self.crops_per_film / max(1, self.curriculum))
        lowest = _between(self.min_psnr, progress)
        for _ in range(8):
            if rng.random() < self.averaged and not self.with_flow:
                film = self._averaged_film(rng, progress)
            else:
                film = self._camera_film(rng, progress)
            middle = self.num_frames // 2
            if _psnr(film.blurred[middle], film.sharp[middle]) >= lowest:
                break
        return film

    def _camera_film(self, rng: np.random.Generator, progress: float) -> Film:
        size, frames = self.film_size, self.num_frames
        response = _draw_response(rng)
        table = response.table(*_draw_light(rng))
        at_rest = rng.random() < self.still
        speed = rng.uniform(0.3, 1) * _between(self.max_speed, progress)
        if at_rest and rng.random() < 0.4:
            speed = 0.0
        unrest = rng.choice((0.3, 1.0))
        path = MotionPath(rng, frames, speed, size, unrest)
        margin = max(abs(v) for t in (-2.5, 2.5) for v in path.at(t)[:2]) + 2
        layers = [picture_layer(rng, self._draw_picture(rng), table, size, path,
                                rng.uniform(1.0, 2.2), margin)]
        fastest = path.length(-frames / 2, frames / 2) / frames
        if rng.random() < 0.35 and not at_rest:
            speed = rng.uniform(0, 1) * _between(self.max_speed, progress)
            front = MotionPath(rng, frames, speed, size, unrest)
            layers.append(shape_layer(rng, self._draw_picture(rng), table, size, front))
            fastest = max(fastest, front.length(-frames / 2, frames / 2) / frames)
        offsets = np.zeros(1) if at_rest else _draw_exposure(rng, fastest)
        blurred, sharp, flow = film_layers(layers, frames, size, offsets, self.with_flow)
        return self._develop(rng, response, blurred, sharp, at_rest, flow)

    def _averaged_film(self, rng: np.random.Generator, progress: float) -> Film:
        clip = self.clips[rng.integers(len(self.clips))]
        count = int(rng.choice((3, 5, 7, 9)))
        at_rest = rng.random() < self.still
        if at_rest:
            count = 1
        response = _draw_response(rng)
        # mild blur first: the smaller the picture, the shorter the ways in it
        scale = rng.uniform(0.25, 0.4 + 0.6 * max(progress, 1 / count))
        blurred, sharp = average_clip(
            rng, clip, response.table(*_draw_light(rng)), count, scale, self.num_frames,
            self.film_size)
        return self._develop(rng, response, blurred, sharp, at_rest)

    def _develop(self, rng: np.random.Generator, response: Response, blurred: np.ndarray,
                 sharp: np.ndarray, at_rest: bool, flow: np.ndarray | None = None) -> Film:
        """Noise, storage and compression; half the sharp films are left as they are."""
        sharp = response.to_stored(sharp)
        if at_rest and rng.random() < 0.5:
            return Film(sharp, sharp, flow)
        if rng.random() < 0.2:
            shot, read = rng.uniform(0, 4e-4), rng.uniform(0, 6e-3)
            noise = rng.standard_normal(blurred.shape, np.float32)
            blurred = blurred + noise * np.sqrt(shot * blurred.clip(0) + read ** 2 * 0.05)
        stored = response.to_stored(blurred)
        kind = rng.random()
        if kind < 0.08:
            stored = np.stack([_jpeg(frame, int(rng.integers(50, 96))) for frame in stored])
        elif kind < 0.18:
            stored = _h264(stored, int(rng.integers(16, 33)))
        return Film(stored, sharp, flow)

    def _draw_picture(self, rng: np.random.Generator) -> np.ndarray:
        if self.pictures and (not self.clips or rng.random() < self.photographs):
            return self.pictures[rng.integers(len(self.pictures))]
        clip = self.clips[rng.integers(len(self.clips))]
        return clip[rng.integers(len(clip))]


def read_clip(path: str) -> np.ndarray:
    """All frames of a video, (n, h, w, 3) RGB uint8."""
    if not os.path.isfile(path):
        raise FileNotFoundError(f'clip {path!r} does not exist')
    capture = cv2.VideoCapture(path)
    frames = []
    while True:
        found, frame = capture.read()
        if not found:
            break
        frames.append(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
    capture.release()
    if not frames:
        raise ValueError(f'clip {path!r} holds no frame that can be read')
    return np.stack(frames)


def read_pictures(paths: Sequence[str]) -> list[np.ndarray]:
    """Pictures, (h, w, 3) RGB uint8, of files, folders and ``'scikit-image'``."""
    files, pictures = [], []
    for path in paths:
        if path == 'dead-leaves':
            pictures += [dead_leaves(np.random.default_rng(k)) for k in range(NUM_DEAD_LEAVES)]
        elif path == 'scikit-image':
            import skimage
            folder = os.path.join(os.path.dirname(skimage.__file__), 'data')
            files += [os.path.join(folder, name) for name in SKIMAGE_PICTURES
                      if os.path.isfile(os.path.join(folder, name))]
        elif os.path.isdir(path):
            files += sorted(os.path.join(root, name) for root, _, names in os.walk(path)
                            for name in names if name.lower().endswith(PICTURE_SUFFIXES))
        elif os.path.isfile(path):
            files.append(path)
        else:
            raise FileNotFoundError(f'picture or folder {path!r} does not exist')
    for file in files:
        picture = cv2.imread(file, cv2.IMREAD_COLOR)
        if picture is None:
            raise ValueError(f'{file!r} is no picture that can be read')
        pictures.append(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
    return pictures


def dead_leaves(rng: np.random.Generator, size: int = 512, count: int = 1500) -> np.ndarray:
    """Shapes of all sizes that cover each other: edges as in photographs, in any number.

    Lee, Mumford and Huang, "Occlusion models for natural images", IJCV 2001: with radii
    distributed as their inverse cube, edges and contrasts are distributed as in nature.

    Args:
        rng: Source of chance.
        size: Side of the picture.
        count: Number of shapes.

    Returns:
        (size, size, 3) RGB uint8.
    """
    tint = rng.uniform(0.5, 1, 3)
    picture = np.full((size, size, 3), rng.uniform(0, 255) * tint, np.float32)
    smallest, largest = 5.0, size / 3
    for _ in range(count):
        # the inverse of the distribution of a density that falls with the third power
        radius = (rng.uniform(largest ** -2, smallest ** -2)) ** -0.5
        x, y = rng.uniform(0, size, 2)
        colour = rng.uniform(0, 255) * (0.5 * tint + 0.5 * rng.uniform(0.3, 1, 3))
        corners = int(rng.integers(3, 8))
        angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
        if rng.random() < 0.4:
            angles = np.linspace(0, 2 * np.pi, 24)[:-1]
        stretch = rng.uniform(0.3, 1)
        outline = radius * np.stack((np.cos(angles), stretch * np.sin(angles)))
        turn = rng.uniform(0, np.pi)
        cos, sin = np.cos(turn), np.sin(turn)
        points = np.array([[cos, -sin], [sin, cos]]) @ outline + np.array([[x], [y]])
        cv2.fillPoly(picture, [np.rint(points.T * 16).astype(np.int32)], colour.tolist(),
                     cv2.LINE_AA, shift=4)
    grain = cv2.GaussianBlur(rng.normal(0, 1, (size, size)).astype(np.float32), (0, 0), 1.0)
    picture += (rng.uniform(0, 25) * grain)[..., None]
    return np.clip(picture, 0, 255).astype(np.uint8)


def _between(ends: Sequence[float], progress: float) -> float:
    return ends[0] + (ends[1] - ends[0]) * progress


def _psnr(first: np.ndarray, second: np.ndarray) -> float:
    mse = np.square(first.astype(np.float32) - second).mean()
    return float(10 * np.log10(255 ** 2 / max(mse, 1e-3)))


def _draw_response(rng: np.random.Generator) -> Response:
    kind = rng.random()
    if kind < 0.7:
        return Response(2.2)
    return Response(None) if kind < 0.9 else Response(1.0)


def _draw_light(rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Gain of each channel, and factor on the light of white."""
    gain = rng.uniform(0.6, 1.15) * rng.uniform(0.85, 1.15, size=3) if rng.random() < 0.6 \
        else np.ones(3)
    glow = rng.uniform(1, 5) if rng.random() < 0.3 else 1.0
    return gain, float(glow)


def _draw_exposure(rng: np.random.Generator, speed: float) -> np.ndarray:
    """Moments of an exposure: few, like averages of frames, or as many as give a streak."""
    if rng.random() < 0.4:
        count = int(rng.choice((3, 5, 7, 9)))
        return (np.arange(count) - count // 2) / count
    exposure = rng.uniform(0.3, 1.0)
    half = int(np.clip(np.ceil(0.6 * speed * exposure), 1, 8))
    return exposure * np.arange(-half, half + 1) / (2 * half + 1)


def _turn(frames: np.ndarray, turns: int, mirrored: bool, backwards: bool) -> np.ndarray:
    frames = np.rot90(frames, turns, axes=(1, 2))
    if mirrored:
        frames = frames[:, :, ::-1]
    return np.ascontiguousarray(frames[::-1] if backwards else frames)


def _jpeg(frame: np.ndarray, quality: int) -> np.ndarray:
    _, data = cv2.imencode('.jpg', frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))[..., ::-1]


def _h264(frames: np.ndarray, crf: int) -> np.ndarray:
    """Frames (t, s, s, 3) as they come back from H.264."""
    import av
    file = io.BytesIO()
    with av.open(file, 'w', format='mp4') as container:
        stream = container.add_stream('libx264', rate=30, options={
            'crf': str(crf), 'preset': 'veryfast', 'threads': '1'})
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = 'yuv420p'
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(
                np.ascontiguousarray(frame), 'rgb24')))
        container.mux(stream.encode())
    file.seek(0)
    with av.open(file) as container:
        return np.stack([f.to_ndarray(format='rgb24') for f in container.decode(video=0)])
