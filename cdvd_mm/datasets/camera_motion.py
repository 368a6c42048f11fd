"""The path of a hand-held camera, or of something in front of it, over a few frames."""

from __future__ import annotations

import numpy as np

FINE = 16  # steps of the integration in a frame


class MotionPath:
    """Position, angle and zoom over time, at a speed that changes smoothly from frame to frame.

    The speed is a drift and a few slow oscillations, times an envelope that is drawn for every
    frame, so that frames at rest lie beside frames in motion.

    Args:
        rng: Source of chance.
        num_frames: Frames of the window; time runs in frames, 0 at the middle of the middle one.
        speed: Mean speed in pixels a frame, before the envelope.
        radius: Distance from the turning point, in pixels, at which a rotation or zoom moves as
            fast as a third of ``speed``.
        unrest: 0 for a constant speed, 1 for one that may rest in any frame.
    """

    def __init__(self, rng: np.random.Generator, num_frames: int, speed: float, radius: float,
                 unrest: float) -> None:
        self._reach = num_frames / 2 + 1
        time = np.arange(-self._reach * FINE, self._reach * FINE + 1) / FINE
        direction = rng.uniform(0, 2 * np.pi)
        drift = rng.uniform(0, 1)
        velocity = np.zeros((4, time.size))  # x, y, angle, logarithm of the zoom
        velocity[0] += drift * np.cos(direction)
        velocity[1] += drift * np.sin(direction)
        for _ in range(3):
            frequency = rng.uniform(0.03, 0.35)  # oscillations a frame
            amplitude = rng.normal(size=4) * (1 - 0.7 * drift)
            phase = rng.uniform(0, 2 * np.pi, size=4)
            velocity += amplitude[:, None] * np.cos(
                2 * np.pi * frequency * time + phase[:, None])
        velocity /= np.sqrt((velocity[:2] ** 2).sum(0).mean()) + 1e-6
        # an envelope with one value at the middle of every frame
        knots = np.arange(-int(self._reach), int(self._reach) + 1)
        heights = 1 - unrest * rng.beta(0.7, 0.7, size=knots.size)
        velocity *= speed * np.interp(time, knots, heights)
        velocity[2:] *= rng.uniform(0, 1, size=(2, 1)) / (3 * radius)
        position = np.concatenate((np.zeros((4, 1)), np.cumsum(
            (velocity[:, 1:] + velocity[:, :-1]) / 2, axis=1)), axis=1) / FINE
        self._time = time
        self._position = position - position[:, time.size // 2:time.size // 2 + 1]

    def at(self, time: float) -> tuple[float, float, float, float]:
        """Displacement x and y in pixels, angle in radians and zoom factor at a time in frames."""
        x, y, angle, zoom = (float(np.interp(time, self._time, p)) for p in self._position)
        return x, y, angle, float(np.exp(zoom))

    def length(self, start: float, stop: float) -> float:
        """Way in pixels between two times, rotation and zoom left out."""
        times = np.linspace(start, stop, 9)
        x, y = (np.interp(times, self._time, p) for p in self._position[:2])
        return float(np.hypot(np.diff(x), np.diff(y)).sum())


def view_matrix(path: MotionPath, time: float, size: int, turning_point: tuple[float, float],
                centre: tuple[float, float], stride: float, angle: float) -> np.ndarray:
    """Where a layer's picture is seen through the camera at a time.

    Args:
        path: Motion of the layer on the sensor.
        time: In frames.
        size: Side of the film in pixels.
        turning_point: Pixel (x, y) of the film about which the layer turns and grows.
        centre: Point (x, y) of the picture at the middle of the film at time 0.
        stride: Pixels of the picture from one pixel of the film to the next.
        angle: Angle of the picture at time 0, radians.

    Returns:
        (2, 3) float64, from pixels of the film (x, y, 1) to those of the picture.
    """
    dx, dy, turn, zoom = path.at(time)
    # film -> film at time 0: undo the displacement, then turn and zoom about the turning point
    cos, sin = np.cos(-turn) / zoom, np.sin(-turn) / zoom
    to_start = np.array([[cos, -sin], [sin, cos]])
    pivot = np.asarray(turning_point, np.float64)
    shift = pivot - to_start @ (pivot + (dx, dy))
    cos, sin = stride * np.cos(angle), stride * np.sin(angle)
    to_picture = np.array([[cos, -sin], [sin, cos]])
    middle = np.full(2, (size - 1) / 2)
    linear = to_picture @ to_start
    offset = to_picture @ (shift - middle) + np.asarray(centre, np.float64)
    return np.concatenate((linear, offset[:, None]), axis=1)
