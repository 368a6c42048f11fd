"""Pictures of a comparison: examples, crops, flow, sharpness prior."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
import torch

from cdvd_mm.datasets.frames import read_frame
from cdvd_mm.models.protocols import CascadeNetwork
from cdvd_mm.ops import run_padded
from cdvd_mm.windows import window_indices

from .models import ComparedModel
from .run import BLURRED, Comparison, Outcome

SHARP = 'sharp truth'
MAX_SEARCHED = 60
"""Frames that are searched for the places where methods differ most."""

MAX_WIDTH = 960
"""Wider examples are scaled down in the page."""


@dataclass
class Example:
    """A frame with a picture for each method.

    Attributes:
        key (str): '<video>/<frame>'.
        pictures (dict[str, np.ndarray]): (h, w, 3) RGB uint8 by label, blurred
            first and the sharp truth last.
        scores (dict[str, float]): PSNR by label.
        box (tuple, optional): (top, left, height, width) of a crop.
    """

    key: str
    pictures: dict[str, np.ndarray]
    scores: dict[str, float]
    box: tuple[int, int, int, int] | None = None


def _succeeded(comparison: Comparison) -> list[Outcome]:
    return [outcome for outcome in comparison.outcomes if not outcome.error]


def _rows_by_key(outcomes: Sequence[Outcome]) -> dict[str, dict[str, dict]]:
    """Rows by frame and label, of the frames that all methods have."""
    by_label = {outcome.label: {row['key']: row for row in outcome.rows} for outcome in outcomes}
    keys = [row['key'] for row in outcomes[0].rows
            if all(row['key'] in rows for rows in by_label.values())]
    return {key: {label: rows[key] for label, rows in by_label.items()} for key in keys}


def _sharp_paths(comparison: Comparison) -> dict[str, str]:
    return {f'{name}/{stem}': path for name, video in comparison.videos
            for stem, path in zip(video.stems, video.sharp or ())}


def _pictures(rows: dict[str, dict], sharp: str) -> dict[str, np.ndarray]:
    pictures = {label: read_frame(row['path']) for label, row in rows.items()}
    pictures[SHARP] = read_frame(sharp)
    return pictures


def find_examples(comparison: Comparison, count: int = 3) -> list[Example]:
    """Choose the most blurred frame of each of the first videos.

    Args:
        comparison (Comparison): The results.
        count (int): Examples wanted.

    Returns:
        list[Example]: Whole frames.
    """
    outcomes = _succeeded(comparison)
    by_key, sharp = _rows_by_key(outcomes), _sharp_paths(comparison)
    chosen: dict[str, str] = {}
    for key, rows in by_key.items():
        video = rows[BLURRED]['video']
        worst = chosen.get(video)
        if worst is None or _psnr(rows) < _psnr(by_key[worst]):
            chosen[video] = key
    return [Example(key, _pictures(by_key[key], sharp[key]), _all_psnr(by_key[key]))
            for key in list(chosen.values())[:count]]


def _psnr(rows: dict[str, dict]) -> float:
    return rows[BLURRED].get('PSNR', 0.)


def _all_psnr(rows: dict[str, dict]) -> dict[str, float]:
    return {label: row['PSNR'] for label, row in rows.items() if 'PSNR' in row}


def find_crops(comparison: Comparison, count: int = 4, size: int = 96) -> list[Example]:
    """Find the places where the methods differ most.

    The spread of a pixel is the standard deviation over the methods (the
    blurred input not among them), averaged over colours and over the crop.
    Every frame gives its best place, and every video takes turns.

    Args:
        comparison (Comparison): The results.
        count (int): Crops wanted.
        size (int): Side of a crop in pixels; smaller for small frames.

    Returns:
        list[Example]: With ``box`` set.
    """
    outcomes = _succeeded(comparison)
    by_key, sharp = _rows_by_key(outcomes), _sharp_paths(comparison)
    methods = [outcome.label for outcome in outcomes if outcome.label != BLURRED]
    if len(methods) < 2:  # one method: where it differs from its input
        methods = [outcome.label for outcome in outcomes]
    keys = list(by_key)
    if len(keys) > MAX_SEARCHED:
        keys = [keys[i] for i in np.linspace(0, len(keys) - 1, MAX_SEARCHED).astype(int)]
    places = []
    for key in keys:
        stack = np.stack([read_frame(by_key[key][label]['path']) for label in methods])
        height, width = stack.shape[1:3]
        side = min(size, height // 2, width // 2)
        spread = stack.astype(np.float32).std(axis=0).mean(axis=2)  # (h, w)
        # mean of the crop whose corner is a pixel
        mean = cv2.boxFilter(spread, -1, (side, side), anchor=(0, 0),
                             borderType=cv2.BORDER_CONSTANT)[:height - side + 1, :width - side + 1]
        top, left = np.unravel_index(int(mean.argmax()), mean.shape)
        places.append((float(mean.max()), key, (int(top), int(left), side, side)))
    places.sort(reverse=True)
    chosen: list[tuple] = []
    turns = 0
    while len(chosen) < min(count, len(places)):
        turns += 1  # at most so many crops of one video
        for place in places:
            video = by_key[place[1]][BLURRED]['video']
            taken = sum(by_key[other[1]][BLURRED]['video'] == video for other in chosen)
            if place not in chosen and taken < turns and len(chosen) < count:
                chosen.append(place)
    examples = []
    for _, key, (top, left, height, width) in chosen:
        pictures = {label: picture[top:top + height, left:left + width]
                    for label, picture in _pictures(by_key[key], sharp[key]).items()}
        examples.append(Example(key, pictures, _all_psnr(by_key[key]), (top, left, height, width)))
    return examples


def explain_cascade(comparison: Comparison, outcome: Outcome,
                    device: str = 'auto') -> Example | None:
    """Show flow and sharpness prior of a cascade on the first example's frame.

    Args:
        comparison (Comparison): The results.
        outcome (Outcome): Whose model.
        device (str): Where to run it.

    Returns:
        Example, optional: Pictures of the frame, the flow to its neighbours
        and S in the first stage; None for other networks. Without a flow
        estimator or a prior its pictures are missing.
    """
    if outcome.entry is None or outcome.error:
        return None
    model = ComparedModel(outcome.entry, device)
    network = model.network
    if not isinstance(network, CascadeNetwork):
        return None
    key = find_examples(comparison, 1)[0].key
    name, stem = key.rsplit('/', 1)
    video = dict(comparison.videos)[name]
    indices = window_indices(video.stems.index(stem), 3, len(video))
    frames = torch.from_numpy(np.stack([read_frame(video.blur[i]) for i in indices]))
    frames = frames.permute(0, 3, 1, 2).to(model.device)[None] / 255
    with torch.no_grad():
        details, = run_padded(partial(network.forward_details, num_active_stages=1), frames,
                              network.size_divisor, network.min_size)
    pictures = {'blurred frame': read_frame(video.blur[indices[1]])}
    if details.flows is not None:
        flows = details.flows[0, 0].float().cpu().numpy()  # (2, 2, h, w)
        reach = max(float(np.hypot(flows[:, 0], flows[:, 1]).max()), 1e-6)
        for label, flow in zip(('flow to the previous frame', 'flow to the next frame'), flows):
            pictures[f'{label} (strongest colour: {reach:.1f} pixels)'] = draw_flow(flow, reach)
    if details.sharpness is not None:
        sharpness = details.sharpness[0, 0, 0].float().cpu().numpy()
        pictures['sharpness prior S (dark 0: blurred or not matched, bright 1: likely sharp)'] = \
            draw_heat(sharpness)
    return Example(key, pictures, {})


def draw_flow(flow: np.ndarray, reach: float) -> np.ndarray:
    """Draw flow (2, h, w) in pixels: hue is direction, saturation length up to ``reach``."""
    length, angle = cv2.cartToPolar(np.ascontiguousarray(flow[0], np.float32),
                                    np.ascontiguousarray(flow[1], np.float32))
    hsv = np.stack((angle * 90 / np.pi, np.clip(length / reach, 0, 1) * 255,
                    np.full_like(length, 255)), axis=-1)
    return cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB)


def draw_heat(values: np.ndarray) -> np.ndarray:
    """Draw values (h, w) in [0, 1] with a colour bar at the right."""
    picture = np.clip(values * 255, 0, 255).astype(np.uint8)
    height = picture.shape[0]
    bar = np.linspace(255, 0, height).astype(np.uint8)[:, None].repeat(max(height // 16, 6), 1)
    gap = np.full((height, 4, 3), 255, np.uint8)
    draw = [cv2.cvtColor(cv2.applyColorMap(part, cv2.COLORMAP_VIRIDIS), cv2.COLOR_BGR2RGB)
            for part in (picture, bar)]
    return np.concatenate((draw[0], gap, draw[1]), axis=1)


def data_uri(picture: np.ndarray, lossless: bool = False) -> str:
    """Encode a picture (h, w, 3), RGB, for a page that carries its pictures with it."""
    height, width = picture.shape[:2]
    if width > MAX_WIDTH:
        picture = cv2.resize(picture, (MAX_WIDTH, round(height * MAX_WIDTH / width)),
                             interpolation=cv2.INTER_AREA)
    suffix, options = ('.png', []) if lossless else ('.jpg', [cv2.IMWRITE_JPEG_QUALITY, 92])
    encoded = cv2.imencode(suffix, picture[..., ::-1], options)[1].tobytes()
    kind = 'png' if lossless else 'jpeg'
    return f'data:image/{kind};base64,{base64.b64encode(encoded).decode()}'
