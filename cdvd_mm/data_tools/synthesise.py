"""Make pairs of blurred and sharp frames from sharp footage, the way GOPRO was made."""

from __future__ import annotations

import json
import logging
import math
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.logging import print_log
from torch import Tensor, nn

from cdvd_mm.datasets.frame_files import write_frame
from cdvd_mm.evaluation import PROTOCOLS, score_frame
from cdvd_mm.evaluation.results import file_sha256
from cdvd_mm.files import write_atomically
from cdvd_mm.inference.model import select_device
from cdvd_mm.ops import flow_warp, validity_mask
from cdvd_mm.progress import progress_bar
from cdvd_mm.registry import MODELS
from cdvd_mm.version import __version__
from cdvd_mm.video import FrameReader, open_reader

RESPONSES = {'gamma2.2': 2.2, 'linear': 1.0}
RECIPE_NAME = 'recipe.json'


@dataclass(frozen=True)
class Recipe:
    """How pairs are made of a video.

    Args:
        frames: Number N of consecutive frames that are averaged, odd, at least 3; the sharp frame
            is the middle one, and the next pair starts N frames later.
        response: What the averaged light is: 'gamma2.2' undoes the camera's curve, averages light
            and applies it again (GOPRO's ``blur_gamma``); 'linear' averages the stored values
            (GOPRO's ``blur``).
        size: (width, height) to resize to, in linear light; ``None`` keeps the video's.
        split: 'train' or 'test'.
        start: First frame used.
        stop: First frame not used any more; ``None`` for all.
        interpolate: Frames put between two neighbours by optical flow before averaging.

    Raises:
        ValueError: A number out of range.
    """

    frames: int = 7
    response: str = 'gamma2.2'
    size: tuple[int, int] | None = None
    split: str = 'train'
    start: int = 0
    stop: int | None = None
    interpolate: int = 0

    def __post_init__(self) -> None:
        if self.frames < 3 or self.frames % 2 == 0:
            raise ValueError(f'frames must be odd and at least 3, so that one frame is the middle '
                             f'one; found {self.frames}')
        if self.response not in RESPONSES:
            raise ValueError(f'response must be one of {", ".join(RESPONSES)}, found '
                             f'{self.response!r}')
        if self.split not in ('train', 'test'):
            raise ValueError(f"split must be 'train' or 'test', found {self.split!r}")
        if self.size is not None and min(self.size) < 16:
            raise ValueError(f'size must be at least 16x16, found {self.size[0]}x{self.size[1]}')
        if self.start < 0 or (self.stop is not None and self.stop - self.start < self.frames):
            raise ValueError(f'the range {self.start}:{self.stop} does not hold {self.frames} '
                             'frames')
        if self.interpolate < 0:
            raise ValueError(f'interpolate must not be negative, found {self.interpolate}')


class FlowInterpolator:
    """Frames between two frames, by optical flow both ways.

    Flow from a time t to either frame is approximated from the flows between them (Jiang et al.,
    Super SloMo, CVPR 2018, eq. 4); both frames are warped there in linear light and mixed by time,
    with each one left out where it was warped in from outside.

    Args:
        estimator: ``flow(reference, neighbour)`` for frames (n, 3, h, w) RGB in [0, 1], in pixels.
        device: Device to compute on.
    """

    def __init__(self, estimator: nn.Module, device: torch.device) -> None:
        self.estimator = estimator.eval().to(device)
        self.device = device

    @torch.no_grad()
    def __call__(self, first: np.ndarray, second: np.ndarray, count: int,
                 gamma: float) -> list[np.ndarray]:
        """``count`` frames at equal steps between two.

        Args:
            first: (h, w, 3) float32, linear light in [0, 1].
            second: Likewise.
            count: How many.
            gamma: Exponent between stored values and light; flow is computed on stored values.

        Returns:
            ``count`` frames like the inputs.
        """
        a, b = (self._tensor(frame) for frame in (first, second))
        stored = [frame.clamp(0, 1) ** (1 / gamma) for frame in (a, b)]
        flow_ab = self.estimator(stored[0], stored[1])
        flow_ba = self.estimator(stored[1], stored[0])
        between = []
        for step in range(1, count + 1):
            t = step / (count + 1)
            to_a = -(1 - t) * t * flow_ab + t * t * flow_ba
            to_b = (1 - t) ** 2 * flow_ab - t * (1 - t) * flow_ba
            weight_a = (1 - t) * validity_mask(to_a) + 1e-6
            weight_b = t * validity_mask(to_b) + 1e-6
            mixed = (weight_a * flow_warp(a, to_a) + weight_b * flow_warp(b, to_b)) \
                / (weight_a + weight_b)
            between.append(mixed[0].permute(1, 2, 0).cpu().numpy())
        return between

    def _tensor(self, frame: np.ndarray) -> Tensor:
        return torch.from_numpy(frame).permute(2, 0, 1)[None].to(self.device)


def build_interpolator(flow: str, checkpoint: str | None, device: str = 'auto') -> FlowInterpolator:
    """A frame interpolator on a registered flow network.

    Args:
        flow: 'pwcnet', 'raft-small', or the path of a config with
            ``flow_estimator = dict(type=...)``.
        checkpoint: The network's weights, for the two names.
        device: As ``tools/deblur.py`` takes it.

    Raises:
        FileNotFoundError, ValueError: No such config or checkpoint, or none given.
    """
    from cdvd_mm.models.flow_estimators.mmflow_estimator import NETWORKS
    if flow in NETWORKS:
        if checkpoint is None:
            raise ValueError(f'--flow {flow} needs --flow-checkpoint, the weights that '
                             'tools/model_converters/convert.py wrote (untrained flow is of no '
                             'use)')
        cfg: Any = dict(type='MMFlowEstimator', estimator=flow)
    else:
        if not os.path.isfile(flow):
            raise FileNotFoundError(f'--flow {flow!r} is neither one of {", ".join(NETWORKS)} nor '
                                    'a config file')
        cfg = Config.fromfile(flow).get('flow_estimator')
        if cfg is None:
            raise ValueError(f'{flow} does not set flow_estimator')
    if checkpoint is not None:
        if not os.path.isfile(checkpoint):
            raise FileNotFoundError(f'flow checkpoint {checkpoint!r} does not exist')
        cfg['init_cfg'] = dict(type='Pretrained', checkpoint=checkpoint)
    estimator = MODELS.build(cfg)
    if hasattr(estimator, 'init_weights'):
        estimator.init_weights()
    return FlowInterpolator(estimator, select_device(device))


def synthesise(videos: Sequence[str], out: str, frames: Sequence[int] = (7,),
               response: str = 'gamma2.2', size: tuple[int, int] | None = None,
               split: str = 'train', start: int = 0, stop: int | None = None, interpolate: int = 0,
               flow: str | None = None, flow_checkpoint: str | None = None,
               device: str = 'auto') -> list[dict]:
    """Make GOPRO-layout pairs, ``<out>/<split>/<video>_n<N>/{blur,sharp}/000001.png``.

    Videos are read once from the start to the end and never held: memory does not grow with their
    length. A folder appears under its name when it is complete; one that is there already, made
    the same way, is left alone.

    Args:
        videos: Video files, or folders of sharp frames.
        out: Root of the dataset.
        frames: Numbers of frames to average, each giving folders of its own.
        response: See :class:`Recipe`, as for those that follow.
        size: (width, height).
        split: 'train' or 'test'.
        start: First frame used.
        stop: First frame not used any more.
        interpolate: Frames put between two neighbours.
        flow: With ``interpolate``: see :func:`build_interpolator`.
        flow_checkpoint: Likewise.
        device: Device of the flow network.

    Returns:
        The recipe of every folder, as written beside its frames: ``name``, ``pairs``,
        ``blur_psnr`` (dB, mean over frames, whole pictures) and how it was made.

    Raises:
        FileNotFoundError, ValueError: A video that cannot be read or is too short, a wrong setting,
            or a folder of that name made in another way.
        OSError: The disk is full.
    """
    pair = (size[0], size[1]) if size else None
    recipes = [Recipe(n, response, pair, split, start, stop, interpolate) for n in frames]
    stems = [os.path.splitext(os.path.basename(os.path.abspath(v)))[0] for v in videos]
    repeated = sorted({s for s in stems if stems.count(s) > 1})
    if repeated:
        raise ValueError(f'several videos are called {repeated}; their folders would be the same, '
                         'rename them or use one --out each')
    if interpolate and flow is None:
        raise ValueError('interpolate needs flow, the network to interpolate with')
    interpolator = build_interpolator(flow, flow_checkpoint, device) \
        if interpolate and flow else None
    made_with = dict(network=flow, checkpoint_sha256=file_sha256(flow_checkpoint)
                     if flow_checkpoint else None) if interpolate else None
    reports = []
    for video, stem in zip(videos, stems):
        for recipe in recipes:
            reports.append(_synthesise_one(video, f'{stem}_n{recipe.frames}', out, recipe,
                                           interpolator, made_with))
    return reports


def _synthesise_one(video: str, name: str, out: str, recipe: Recipe,
                    interpolator: FlowInterpolator | None, made_with: dict | None) -> dict:
    folder = os.path.join(out, recipe.split, name)
    with open_reader(video) as reader:
        how = dict(
            source=os.path.basename(os.path.abspath(video)),
            source_sha256=file_sha256(video) if os.path.isfile(video) else None,
            source_fps=str(reader.info.rate), frames=recipe.frames, response=recipe.response,
            size=list(recipe.size) if recipe.size else None, split=recipe.split,
            start=recipe.start, stop=recipe.stop, interpolate=recipe.interpolate, flow=made_with)
        old = _old_recipe(folder)
        if old is not None:
            if {k: old.get(k) for k in how} == how:
                print_log(f'{folder} is already there', logger='current')
                return old
            raise ValueError(f'{folder} was made in another way or is no synthesised video; remove '
                             'it or choose another --out')
        part = os.path.join(out, recipe.split, f'.{name}.part')
        shutil.rmtree(part, ignore_errors=True)  # left by a run that was killed
        for kind in ('blur', 'sharp'):
            os.makedirs(os.path.join(part, kind))
        scores = _write_pairs(reader, name, part, recipe, interpolator)
        problems = list(reader.damage)
    if not scores:
        shutil.rmtree(part)
        raise ValueError(f'{video}: fewer than {recipe.frames} frames in the range '
                         f'{recipe.start}:{recipe.stop}, nothing can be averaged')
    report = dict(name=name, pairs=len(scores), blur_psnr=round(math.fsum(scores) / len(scores), 4),
                  fps=float(Fraction(str(how['source_fps'])) / recipe.frames), damage=problems,
                  made_by=f'cdvd_mm {__version__}', **how)
    write_atomically(os.path.join(part, RECIPE_NAME),
                     json.dumps(report, indent=1, ensure_ascii=False) + '\n')
    os.replace(part, folder)
    return report


def _old_recipe(folder: str) -> dict | None:
    if not os.path.isdir(folder):
        return None
    try:
        with open(os.path.join(folder, RECIPE_NAME), encoding='utf-8') as file:
            return json.load(file)
    except (OSError, ValueError):
        return {}


def _write_pairs(reader: FrameReader, name: str, folder: str, recipe: Recipe,
                 interpolator: FlowInterpolator | None) -> list[float]:
    total = reader.info.num_frames or None
    if total is not None:
        total = max(0, min(total, recipe.stop or total) - recipe.start) // recipe.frames
    scores = []
    with progress_bar(transient=True) as bar:
        task = bar.add_task(name, total=total)
        for number, (blur, sharp) in enumerate(make_pairs(
                _frames(reader, recipe), recipe, interpolator, name), 1):
            write_frame(os.path.join(folder, 'blur', f'{number:06d}.png'), blur)
            write_frame(os.path.join(folder, 'sharp', f'{number:06d}.png'), sharp)
            scores.append(score_frame(blur, sharp, PROTOCOLS['all-frames'], ('PSNR',))['PSNR'])
            bar.advance(task)
    return scores


def _frames(reader: FrameReader, recipe: Recipe) -> Iterator[np.ndarray]:
    """The frames of the range, (h, w, 3) RGB uint8 or uint16, upright."""
    turns = reader.info.rotation // 90
    for index, frame in enumerate(reader.frames()):
        if recipe.stop is not None and index >= recipe.stop:
            return
        if index >= recipe.start:
            image: Any = frame.image
            yield np.rot90(image, turns) if turns else image


def make_pairs(frames: Iterator[np.ndarray], recipe: Recipe,
               interpolator: FlowInterpolator | None = None,
               name: str = 'video') -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Average groups of N frames.

    Args:
        frames: (h, w, 3) RGB, uint8 or uint16; read one at a time, at most two are held.
        recipe: How.
        interpolator: Called for ``recipe.interpolate`` frames between neighbours of a group.
        name: For messages.

    Yields:
        (blurred, sharp), (h, w, 3) RGB uint8. An incomplete last group is dropped.
    """
    gamma = RESPONSES[recipe.response]
    total: Any = None
    previous: Any = None
    middle: Any = None
    weight = doubled = seen = 0
    last_stored = None
    for index, stored in enumerate(frames):
        seen += 1
        doubled += last_stored is not None and _same(last_stored, stored)
        last_stored = stored
        light = _resize(_to_light(stored, gamma), recipe.size)
        position = index % recipe.frames
        if position == 0:
            total, weight = np.zeros(light.shape, np.float64), 0
        elif interpolator is not None:
            for between in interpolator(previous, light, recipe.interpolate, gamma):
                total += between
                weight += 1
        total += light
        weight += 1
        previous = light
        if position == recipe.frames // 2:
            middle = stored if recipe.size is None and stored.dtype == np.uint8 \
                else _to_stored(light, gamma)
        if position == recipe.frames - 1:
            yield _to_stored(total / weight, gamma), np.ascontiguousarray(middle)
    if doubled:
        print_log(f'{name}: {doubled} of {seen} frames equal the one before (doubled frames give '
                  'too little blur): leave them out with --range', logger='current',
                  level=logging.WARNING)


def _same(first: np.ndarray, second: np.ndarray) -> bool:
    return first.shape == second.shape and \
        float(cv2.norm(first[::4, ::4].copy(), second[::4, ::4].copy(), cv2.NORM_L1)) \
        < 0.05 * first[::4, ::4].size


def _to_light(stored: np.ndarray, gamma: float) -> np.ndarray:
    """Stored values to float32 light in [0, 1]."""
    highest = np.iinfo(stored.dtype).max
    table = (np.arange(highest + 1, dtype=np.float64) / highest) ** gamma
    return table.astype(np.float32)[stored]


def _to_stored(light: np.ndarray, gamma: float) -> np.ndarray:
    """Light in [0, 1] to uint8."""
    return np.rint(255 * np.clip(light, 0, 1) ** (1 / gamma)).astype(np.uint8)


def _resize(light: np.ndarray, size: tuple[int, int] | None) -> np.ndarray:
    if size is None or (light.shape[1], light.shape[0]) == tuple(size):
        return light
    shrinks = size[0] <= light.shape[1] and size[1] <= light.shape[0]
    resized = cv2.resize(light, tuple(size),
                         interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    return np.clip(resized, 0, 1)
