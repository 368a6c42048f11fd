"""Small video data for the demo: photographs under a simulated hand-held camera.

The photographs are those that lie in scikit-image's wheel, so nothing is
downloaded. A scene is a window that moves over one of them (smoothly random
translation, rotation and zoom) with a patch of another one moving in front. A
blurred frame is the mean, in linear light, of an odd number of sub-frames that
fill the time between two frames; its sharp frame is the middle one. That is how
GOPRO was made from 240 fps video, and the folders are laid out as GOPRO's.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
from mmengine.logging import print_log
from PIL import Image

from cdvd_mm.data_tools.options import DemoSettings
from cdvd_mm.progress import track

# Train and test scenes come from different photographs (motorcycle_right would show the
# scene of motorcycle_left again).
TRAIN_PHOTOGRAPHS = ('astronaut.png', 'chelsea.png', 'rocket.jpg', 'camera.png', 'coins.png',
                     'brick.png', 'page.png', 'hubble_deep_field.jpg', 'gravel.png', 'ihc.png',
                     'grass.png', 'retina.jpg')
TEST_PHOTOGRAPHS = ('coffee.png', 'motorcycle_left.png')

MANIFEST = 'demo.json'
_GAMMA = 2.2


class _Walk:
    """A smooth random function of time: three sinusoids of different frequency and phase.

    Its derivative has root mean square ``speed`` (units a frame), so that it is
    fast at times and still at others, as a hand is.
    """

    def __init__(self, rng: np.random.Generator, speed: float):
        self.omega = 2 * np.pi * rng.uniform((0.03, 0.08, 0.15), (0.08, 0.15, 0.25))
        self.phase = rng.uniform(0, 2 * np.pi, 3)
        share = rng.uniform(0.5, 1.0, 3)
        self.amplitude = speed * share / np.sqrt((share**2).sum() / 2) / self.omega

    def __call__(self, time: float) -> float:
        return float((self.amplitude * np.sin(self.omega * time + self.phase)).sum())


class _View:
    """A window that moves over a photograph."""

    def __init__(self, photograph: np.ndarray, size: tuple[int, int], rng: np.random.Generator,
                 speed: float, upright: bool):
        height, width = photograph.shape[:2]
        # Between 'the whole photograph' and 'one pixel is one pixel', with room to move.
        largest = min(height / (size[0] + 24), width / (size[1] + 24))
        scale = max(1.0, largest * (rng.uniform(0.75, 1.0) if upright else rng.uniform(0.4, 0.9)))
        self.photograph = np.ascontiguousarray(
            cv2.resize(photograph, (round(width / scale), round(height / scale)),
                       interpolation=cv2.INTER_AREA))
        self.size = size
        room = np.maximum(np.array(self.photograph.shape[1::-1]) - np.array(size[::-1]) - 16, 0)
        spread = 0.25 if upright else 0.5
        self.centre = (np.array(self.photograph.shape[1::-1]) / 2
                       + room * rng.uniform(-spread, spread, 2))
        self.angle = 0.0 if upright else rng.uniform(-np.pi, np.pi)
        self.shift = _Walk(rng, speed / np.sqrt(2)), _Walk(rng, speed / np.sqrt(2))
        # A corner of the window moves about as much by rotation and zoom as by a third of the
        # translation.
        reach = np.hypot(*size) / 2
        self.turn = _Walk(rng, speed / 3 / reach)
        self.zoom = _Walk(rng, speed / 6 / reach)

    def render(self, time: float) -> np.ndarray:
        """The window at a time: (h, w, c) as the photograph, linear light in [0, 1]."""
        angle = self.angle + self.turn(time)
        factor = np.exp(self.zoom(time))
        cos, sin = factor * np.cos(angle), factor * np.sin(angle)
        matrix = np.array([[cos, -sin, 0.0], [sin, cos, 0.0]])
        middle = (np.array(self.size[::-1]) - 1) / 2
        matrix[:, 2] = (self.centre + (self.shift[0](time), self.shift[1](time))
                        - matrix[:, :2] @ middle)
        return cv2.warpAffine(self.photograph, matrix, self.size[::-1],
                              flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
                              borderMode=cv2.BORDER_REFLECT_101)


class DemoScene:
    """One scene: a background seen by a hand-held camera, and a foreground that moves.

    Args:
        background (np.ndarray): Photograph (h, w, 3), linear light in [0, 1].
        foreground (np.ndarray): Another one, for the moving patch.
        size (tuple[int, int]): Height and width of the frames.
        shake (float): Way of the camera between two frames, in pixels.
        rng (np.random.Generator): Source of everything random.
        upright (bool): Do not turn the photograph upside down, and show much of it.
    """

    def __init__(self, background: np.ndarray, foreground: np.ndarray, size: tuple[int, int],
                 shake: float, rng: np.random.Generator, upright: bool = False):
        self.size = size
        speed = shake * rng.uniform(0.6, 1.4)
        self.background = _View(background, size, rng, speed, upright)
        # The patch: a rounded shape whose texture moves along with it.
        self.radii = np.array(size[::-1]) * rng.uniform(0.12, 0.2, 2)
        patch = 2 * int(np.ceil(self.radii.max())) + 9
        self.patch_view = _View(foreground, (patch, patch), rng, 0.0, upright=False)
        self.patch = self.patch_view.render(0.0)
        self.start = (np.array(size[::-1]) - 1) / 2 + np.array(size[::-1]) * rng.uniform(
            0.15, 0.3, 2) * rng.choice((-1, 1), 2)
        self.motion = _Walk(rng, shake), _Walk(rng, shake / 2)
        self.power = rng.choice((2, 4))
        self.sub_frames = int(rng.choice((7, 9, 11, 13)))

    def render(self, time: float) -> np.ndarray:
        """The scene at an instant: (h, w, 3), linear light in [0, 1]."""
        image = self.background.render(time)
        offset = self.start + (self.motion[0](time), self.motion[1](time))
        height, width = self.size
        y, x = np.mgrid[:height, :width].astype(np.float32)
        x, y = x - offset[0], y - offset[1]
        # Distance from the edge in pixels, about; the edge is one pixel wide.
        norm = ((np.abs(x) / self.radii[0])**self.power
                + (np.abs(y) / self.radii[1])**self.power)**(1 / self.power)
        alpha = np.clip((1 - norm) * self.radii.min() + 0.5, 0, 1)[..., None]
        middle = (self.patch.shape[0] - 1) / 2
        patch = cv2.remap(self.patch, (x + middle).astype(np.float32),
                          (y + middle).astype(np.float32), cv2.INTER_CUBIC,
                          borderMode=cv2.BORDER_REFLECT_101)
        return np.clip(alpha * patch + (1 - alpha) * image, 0, 1)

    def frame(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Blurred and sharp frame.

        Args:
            index (int): Number of the frame in the video, from 0.

        Returns:
            tuple[np.ndarray, np.ndarray]: Each (h, w, 3), uint8, in the photograph's order of
            colours.
        """
        half = self.sub_frames // 2
        lights = [self.render(index + step / self.sub_frames) for step in range(-half, half + 1)]
        return _encode(sum(lights, np.float32(0)) / self.sub_frames), _encode(lights[half])


def _encode(light: np.ndarray) -> np.ndarray:
    """Linear light in [0, 1] to uint8."""
    return np.round(255 * np.clip(light, 0, 1)**(1 / _GAMMA)).astype(np.uint8)


def load_photograph(name: str) -> np.ndarray:
    """A photograph of scikit-image's wheel.

    Args:
        name (str): File name, e.g. 'coffee.png'.

    Returns:
        np.ndarray: (h, w, 3), float32, linear light in [0, 1], BGR as OpenCV has it.

    Raises:
        ModuleNotFoundError: scikit-image is not installed.
        FileNotFoundError: The file is not in the installed wheel.
    """
    try:
        import skimage
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError('the demo data are made from photographs of scikit-image, '
                                  'which is not installed: pip install scikit-image') from error
    path = Path(skimage.__file__).parent / 'data' / name
    if not path.is_file():
        raise FileNotFoundError(f'{path}: not there; it is part of the wheels of scikit-image 0.22 '
                                'to 0.26')
    with Image.open(path) as photograph:
        image = np.asarray(photograph.convert('RGB'))[..., ::-1]
    return ((image.astype(np.float32) / 255)**_GAMMA).astype(np.float32)


def make_demo_data(root: str | os.PathLike, settings: DemoSettings | None = None,
                   force: bool = False) -> Path:
    """Make the demo data, unless they are there already.

    They are written to a neighbouring folder which gets its name when it is
    complete, so that a half-made one is never taken for the data.

    Args:
        root (str | PathLike): Folder to make, e.g. ``data/demo``; below it
            ``{train,test}/<video>/{blur,sharp}/000001.png`` and ``demo.json``.
        settings (DemoSettings, optional): Number and size of the scenes. Defaults to
            ``DemoSettings()``.
        force (bool): Make them again although the same data are there. Defaults to False.

    Returns:
        Path: The folder.

    Raises:
        ValueError: ``root`` holds something that this function has not made.
        ModuleNotFoundError: scikit-image is not installed.
    """
    root = Path(root)
    settings = settings or DemoSettings()
    manifest = json.loads(json.dumps(asdict(settings)))
    if root.exists():
        there = _read_manifest(root)
        if there is None:
            raise ValueError(f'{root} exists and is not demo data (no {MANIFEST} in it): name '
                             'another folder or remove it')
        if there == manifest and not force:
            print_log(f'{root}: the demo data are there already', logger='current')
            return root
    root.parent.mkdir(parents=True, exist_ok=True)
    partial = root.parent / f'.{root.name}.partial-{os.getpid()}'
    shutil.rmtree(partial, ignore_errors=True)
    try:
        _write(partial, settings)
        (partial / MANIFEST).write_text(json.dumps(manifest, indent=2) + '\n', encoding='utf-8')
        if root.exists():
            shutil.rmtree(root)
        os.replace(partial, root)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return root


def _read_manifest(root: Path) -> dict | None:
    try:
        return json.loads((root / MANIFEST).read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return None


def _write(root: Path, settings: DemoSettings) -> None:
    splits = {
        'train': (TRAIN_PHOTOGRAPHS, settings.train_scenes, settings.train_frames,
                  settings.train_size),
        'test': (TEST_PHOTOGRAPHS, settings.test_scenes, settings.test_frames,
                 settings.test_size),
    }
    jobs = []
    for split, (names, scenes, frames, size) in splits.items():
        photographs = {name: load_photograph(name) for name in names}
        for index in range(scenes):
            name = names[index % len(names)]
            jobs.append((split, index, name, photographs, frames, size))
    for split, index, name, photographs, frames, size in track(jobs, 'making the demo data'):
        rng = np.random.default_rng([settings.seed, split == 'test', index])
        other = str(rng.choice([entry for entry in photographs if entry != name]))
        scene = DemoScene(photographs[name], photographs[other], size, settings.shake, rng,
                          upright=split == 'test')
        video = root / split / f'{Path(name).stem}_{index:02d}'
        for kind in ('blur', 'sharp'):
            (video / kind).mkdir(parents=True)
        for number in range(frames):
            for kind, image in zip(('blur', 'sharp'), scene.frame(number)):
                _write_png(video / kind / f'{number + 1:06d}.png', image)


def _write_png(path: Path, image: np.ndarray) -> None:
    if not cv2.imwrite(str(path), image):
        raise OSError(f'{path}: could not be written')
