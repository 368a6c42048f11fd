"""Films of a few frames: a simulated camera before pictures, or averages of real frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from .camera_motion import MotionPath, view_matrix


@dataclass(frozen=True)
class Film:
    """A short film, blurred and sharp.

    Args:
        blurred: (t, s, s, 3) RGB uint8, as a camera stores it.
        sharp: Likewise, every frame as seen in the middle of its exposure, without noise.
        flow: (t, s, s, 2) float32 or None: where each pixel of the middle sharp frame lies in
            frame t, minus where it is, x and y in pixels.
    """

    blurred: np.ndarray
    sharp: np.ndarray
    flow: np.ndarray | None = None


class Response:
    """A camera's curve from light to stored values: a power, or sRGB's.

    Args:
        gamma: Exponent, for instance 2.2; ``None`` for sRGB.
    """

    def __init__(self, gamma: float | None) -> None:
        self.gamma = gamma

    def to_light(self, stored: np.ndarray) -> np.ndarray:
        """Stored values in [0, 1] to light in [0, 1]."""
        if self.gamma is not None:
            return stored ** self.gamma
        return np.where(stored <= 0.04045, stored / 12.92, ((stored + 0.055) / 1.055) ** 2.4)

    def to_stored(self, light: np.ndarray) -> np.ndarray:
        """Light to uint8; what is over 1 is clipped."""
        light = np.clip(light, 0, 1).astype(np.float32)
        shape = light.shape
        light = light.reshape(shape[0], -1)
        if self.gamma is not None:
            stored = cv2.pow(light, 1 / self.gamma)
        else:
            stored = np.where(light <= 0.0031308, light * 12.92,
                              1.055 * cv2.pow(light, 1 / 2.4) - 0.055)
        return np.rint(255 * stored).astype(np.uint8).reshape(shape)

    def table(self, gain: np.ndarray, glow: float) -> np.ndarray:
        """Light of each stored value, (256, 1, 3) float32.

        Args:
            gain: (3,) factor for each channel.
            glow: Factor on the light of white; it falls off to 1 at 0.9, so that highlights are
                brighter than what is stored.
        """
        stored = np.arange(256) / 255
        light = self.to_light(stored) * (1 + (glow - 1) * np.clip((stored - 0.9) / 0.1, 0, 1))
        return (light[:, None] * gain).astype(np.float32)[:, None]


@dataclass(frozen=True)
class Layer:
    """A picture that moves before the camera.

    Args:
        picture: (h, w, 3) light, or (h, w, 4) light times opacity, and opacity; float32.
        view: Matrix (2, 3) from the film's pixels to the picture's at a time in frames.
    """

    picture: np.ndarray
    view: Callable[[float], np.ndarray]

    def seen_at(self, time: float, size: int) -> np.ndarray:
        """The layer on the sensor, (size, size, 3 or 4) float32."""
        opaque = self.picture.shape[2] == 3
        return cv2.warpAffine(
            self.picture, self.view(time), (size, size),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REFLECT_101 if opaque else cv2.BORDER_CONSTANT)

    def flow(self, start: float, stop: float, size: int) -> np.ndarray:
        """Displacement (size, size, 2) of what each pixel shows between two times."""
        def square(time: float) -> np.ndarray:
            return np.concatenate((self.view(time), [[0, 0, 1]]))
        matrix = np.linalg.solve(square(stop), square(start))
        rows, columns = np.mgrid[:size, :size]
        points = np.stack((columns, rows), axis=-1).astype(np.float64)
        return (points @ matrix[:2, :2].T + matrix[:2, 2] - points).astype(np.float32)


def film_layers(layers: list[Layer], num_frames: int, size: int, offsets: np.ndarray,
                with_flow: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Film layers, the background first.

    Args:
        layers: Back to front; the first one opaque.
        num_frames: Frames of the film, odd.
        size: Side of a frame.
        offsets: (k,) moments of an exposure relative to its middle, in frames, k odd and the
            middle one 0; what they see is averaged.
        with_flow: Give the flow too.

    Returns:
        Blurred and sharp light (t, size, size, 3), and the flow as :class:`Film` has it, or None.
    """
    blurred = np.zeros((num_frames, size, size, 3), np.float32)
    sharp = np.empty_like(blurred)
    for frame in range(num_frames):
        middle = frame - num_frames // 2
        for index, offset in enumerate(offsets):
            seen = layers[0].seen_at(middle + offset, size)
            for layer in layers[1:]:
                front = layer.seen_at(middle + offset, size)
                seen = front[..., :3] + (1 - front[..., 3:]) * seen
            blurred[frame] += seen
            if index == len(offsets) // 2:
                sharp[frame] = seen
    blurred /= len(offsets)
    flow = _layers_flow(layers, num_frames, size) if with_flow else None
    return blurred, sharp, flow


def _layers_flow(layers: list[Layer], num_frames: int, size: int) -> np.ndarray:
    flow = np.empty((num_frames, size, size, 2), np.float32)
    masks = [layer.seen_at(0, size)[..., 3:] > 0.5 for layer in layers[1:]]
    for frame in range(num_frames):
        time = frame - num_frames // 2
        flow[frame] = layers[0].flow(0, time, size)
        for layer, mask in zip(layers[1:], masks):
            flow[frame] = np.where(mask, layer.flow(0, time, size), flow[frame])
    return flow


def picture_layer(rng: np.random.Generator, picture: np.ndarray, table: np.ndarray, size: int,
                  path: MotionPath, stride: float, margin: float) -> Layer:
    """An opaque layer that shows a random part of a picture.

    Args:
        rng: Source of chance.
        picture: (h, w, 3) RGB uint8.
        table: Light of each stored value, see :meth:`Response.table`.
        size: Side of the film.
        path: Motion.
        stride: Pixels of the picture a pixel of the film, made smaller where it is too small.
        margin: Pixels of the film that the motion needs on each side.
    """
    need = size + 2 * margin
    stride = min(stride, min(picture.shape[:2]) / need)
    if stride < 0.75:
        stride = 0.75  # the picture goes on as its mirror image
    half = int(np.ceil(stride * need / 2)) + 1
    centre = [rng.uniform(half, side - half) if side > 2 * half else side / 2
              for side in picture.shape[1::-1]]
    left, top = (max(0, int(c) - half) for c in centre)
    part = picture[top:top + 2 * half + 1, left:left + 2 * half + 1]
    light = cv2.LUT(np.ascontiguousarray(part), table)
    local = (centre[0] - left, centre[1] - top)
    turning_point = tuple(rng.uniform(-2 * size, 3 * size, size=2))
    angle = rng.choice((0.0, 0.0, rng.uniform(-0.3, 0.3)))
    return Layer(light, lambda time: view_matrix(
        path, time, size, turning_point, local, stride, angle))


def shape_layer(rng: np.random.Generator, picture: np.ndarray, table: np.ndarray, size: int,
                path: MotionPath) -> Layer:
    """A layer of a random shape, cut out of a picture, that passes before the background.

    Arguments: as for :func:`picture_layer`.
    """
    side = int(rng.uniform(0.3, 1.0) * size)
    top, left = (rng.integers(0, max(1, length - side)) for length in picture.shape[:2])
    part = np.ascontiguousarray(picture[top:top + side, left:left + side])
    light = cv2.LUT(part, table)
    height, width = light.shape[:2]
    coarse = rng.normal(size=(5, 5)).astype(np.float32)
    blob = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    rows, columns = np.ogrid[-1:1:height * 1j, -1:1:width * 1j]
    inside = 0.9 - np.hypot(rows, columns) + 0.35 * blob  # signed distance, half sides
    edge = np.minimum(np.minimum(1 - np.abs(rows), 1 - np.abs(columns)) * min(height, width) / 2, 1)
    opacity = np.clip(inside * min(height, width) / 4 + 0.5, 0, 1) * edge
    opacity = opacity.astype(np.float32)[..., None]
    picture = np.concatenate((light * opacity, opacity), axis=2)
    place = rng.uniform(0, size, size=2) - size / 2
    centre = (width / 2 - place[0], height / 2 - place[1])
    turning_point = tuple(rng.uniform(-size, 2 * size, size=2))
    return Layer(picture, lambda time: view_matrix(
        path, time, size, turning_point, centre, 1.0, 0.0))


def average_clip(rng: np.random.Generator, clip: np.ndarray, table: np.ndarray, count: int,
                 scale: float, num_frames: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """A random part of a clip of real sharp frames, groups of them averaged.

    Args:
        rng: Source of chance.
        clip: (n, h, w, 3) RGB uint8.
        table: Light of each stored value.
        count: Frames of a group, odd.
        scale: Size of the film's picture of a thing in pixels, over that in the clip; made larger
            where the clip is too small.
        num_frames: Frames of the film.
        size: Side of the film.

    Returns:
        Blurred and sharp light (num_frames, size, size, 3) float32.
    """
    scale = max(scale, size / min(clip.shape[1:3]))
    side = min(int(round(size / scale)), *clip.shape[1:3])
    start = rng.integers(0, len(clip) - count * num_frames + 1)
    top, left = (rng.integers(0, length - side + 1) for length in clip.shape[1:3])
    blurred = np.empty((num_frames, size, size, 3), np.float32)
    sharp = np.empty_like(blurred)

    def shrink(light: np.ndarray) -> np.ndarray:
        if side == size:
            return light
        return cv2.resize(light, (size, size), interpolation=cv2.INTER_AREA)

    for frame in range(num_frames):
        group = clip[start + frame * count:start + (frame + 1) * count,
                     top:top + side, left:left + side]
        total = np.zeros((side, side, 3), np.float32)
        for index, stored in enumerate(group):
            light = cv2.LUT(np.ascontiguousarray(stored), table)
            total += light
            if index == count // 2:
                sharp[frame] = shrink(light)
        blurred[frame] = shrink(total) / count
    return blurred, sharp
