"""The models of a comparison: what is named on the command line, built and called alike."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from cdvd_mm.engine.config import resolve
from cdvd_mm.inference.model import init_model
from cdvd_mm.models.protocols import ClipNetwork, WindowNetwork
from cdvd_mm.weights import SHIPPED, SHIPPED_CONFIG
from cdvd_mm.windows import window_indices

CLIP_FRAMES = 5
"""Frames of the clips on which whole-video models are measured."""


@dataclass(frozen=True)
class Entry:
    """One model of a comparison.

    Attributes:
        label (str): Its name in the report.
        config (str): Path of its config.
        checkpoint (str, optional): Path of its checkpoint; None: weights as
            initialised.
    """

    label: str
    config: str
    checkpoint: str | None


def parse_entries(texts: Sequence[str], names: Sequence[str] | None = None) -> list[Entry]:
    """Read ``CONFIG[:CHECKPOINT]`` arguments.

    Args:
        texts (Sequence[str]): The arguments.
        names (Sequence[str], optional): Labels in place of those below.

    Returns:
        list[Entry]: With labels that differ: the config's name, the
        checkpoint's added where a config comes twice. The config of the
        network that comes with the package brings its weights along.

    Raises:
        ValueError: There is none, or the same model twice; as many names as models, all
            different, are expected.
    """
    if not texts:
        raise ValueError('name at least one model: CONFIG[:CHECKPOINT]')
    if len(set(texts)) < len(texts):
        raise ValueError('the same model is named twice: '
                         f'{", ".join(sorted({t for t in texts if texts.count(t) > 1}))}')
    # not at the colons of a config by name, cdvd_mm::cdvd_gopro.py
    parts = [re.split('(?<!:):(?!:)', text, maxsplit=1) for text in texts]
    pairs = [(resolve(part[0]), part[1] if len(part) > 1 else None) for part in parts]
    if names and not len(set(names)) == len(names) == len(texts):
        raise ValueError(f'{len(texts)} model(s) need as many different names, found '
                         f'{", ".join(names)}')
    given = names
    names = [os.path.splitext(os.path.basename(config))[0] for config, _ in pairs]
    shipped = os.path.realpath(resolve(SHIPPED_CONFIG))
    entries: list[Entry] = []
    for place, (name, (config, checkpoint)) in enumerate(zip(names, pairs)):
        label = given[place] if given else name
        if not given and names.count(name) > 1:
            stem = os.path.splitext(os.path.basename(checkpoint))[0] if checkpoint else 'untrained'
            label = f'{name}-{stem}'
        taken = {entry.label for entry in entries}
        number = 2
        while label in taken:
            label, number = f'{label.rstrip("0123456789").rstrip("#")}#{number}', number + 1
        if not checkpoint and os.path.realpath(config) == shipped:
            checkpoint = str(SHIPPED)
        entries.append(Entry(label, config, checkpoint or None))
    return entries


def check_entries(entries: Sequence[Entry], videos: Sequence[tuple[str, int]],
                  device: str = 'auto') -> None:
    """Build every model once, load its weights and look at the lengths of the videos.

    Args:
        entries (Sequence[Entry]): The models.
        videos (Sequence[tuple[str, int]]): Names and lengths of the videos.
        device (str): Where the models will run.

    Raises:
        ValueError: What is wrong, of all models, in one message.
    """
    problems = []
    for entry in entries:
        try:
            model = ComparedModel(entry, device)
            for name, length in videos:
                model.check_length(name, length)
        except (ValueError, FileNotFoundError) as error:
            problems.append(f'{entry.label}: {error}')
    if problems:
        raise ValueError(f'{len(problems)} of {len(entries)} model(s) cannot be compared, nothing '
                         f'was run: {"; ".join(problems)}')


class ComparedModel:
    """A restorer that restores frames of a video, windowed or not.

    Args:
        entry (Entry): Which model.
        device (str): 'auto', 'cpu', 'cuda' ...

    Raises:
        FileNotFoundError: Config or checkpoint is not there.
        ValueError: The checkpoint is one of another model, or the device is
            not there.
    """

    def __init__(self, entry: Entry, device: str = 'auto') -> None:
        self.entry = entry
        self.restorer: Any = init_model(entry.config, entry.checkpoint, device)
        self.device: torch.device = next(self.restorer.parameters()).device

    @property
    def network(self) -> nn.Module:
        """The network itself."""
        return self.restorer.generator

    @property
    def num_frames(self) -> int | None:
        """Frames of its windows; None for models that go through whole videos."""
        return self.network.num_frames if isinstance(self.network, WindowNetwork) else None

    def count_parameters(self) -> int:
        """Parameters of the network."""
        return sum(parameter.numel() for parameter in self.network.parameters())

    def check_length(self, video: str, length: int) -> None:
        """Raise ValueError where a video is too short for the model."""
        if self.num_frames and length < self.num_frames:
            raise ValueError(f'video {video} has {length} frames, the model restores windows of '
                             f'{self.num_frames}')

    def restore(self, frames: Tensor) -> Tensor:
        """Restore a window's centre frame, or all frames of a clip.

        Args:
            frames (Tensor): (t, 3, h, w) RGB in [0, 1], on the model's device;
                any size.

        Returns:
            Tensor: (3, h, w), or (t, 3, h, w) of a whole-video model; RGB,
            not clamped.
        """
        restorer = self.restorer
        run = restorer.restore_video if isinstance(self.network, ClipNetwork) \
            else restorer.forward_tensor
        with torch.no_grad():
            return run(frames[None])[0]

    def restore_video(self, frames: Tensor, wanted: Sequence[int],
                      truncate: bool = False) -> Iterator[tuple[int, Tensor]]:
        """Restore the wanted frames of a video.

        Args:
            frames (Tensor): The whole video (t, 3, h, w), uint8, RGB.
            wanted (Sequence[int]): Indices of the frames to restore.
            truncate (bool): Cut to 8 bit in place of rounding, as some
                protocols do.

        Yields:
            tuple[int, Tensor]: Index and restored frame (3, h, w), uint8.
        """
        if self.num_frames is None:
            # nothing but the whole video gives a recurrent model its past
            restored = self.restore(frames.to(self.device) / 255)
            for index in wanted:
                yield index, to_uint8(restored[index], truncate)
            return
        for index in wanted:
            window = frames[window_indices(index, self.num_frames, len(frames))]
            yield index, to_uint8(self.restore(window.to(self.device) / 255), truncate)


def to_uint8(frame: Tensor, truncate: bool) -> Tensor:
    """Clamp a frame in [0, 1] and round, or truncate, it to 8 bit, on the CPU."""
    frame = frame.float().clamp(0, 1) * 255
    return (frame.floor() if truncate else frame.round()).to(torch.uint8).cpu()
