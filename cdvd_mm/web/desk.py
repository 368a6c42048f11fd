"""What the page does when something is asked of it; knows nothing of how the page looks."""

from __future__ import annotations

import dataclasses
import logging
import shutil
import threading
from pathlib import Path
from typing import Any

from mmengine.logging import print_log

from cdvd_mm.deblur.options import DeblurOptions, parse_time
from cdvd_mm.inference.options import InferenceOptions
from cdvd_mm.video.encoding import CONTAINERS

from .jobs import DONE, FAILED, Job, JobQueue
from .options import Model, WebOptions
from .tasks import PICTURES_PER_SECOND, Found
from .visits import Visit, Visits

PREVIEW_SECONDS = 2.
AS_UPLOADED = 'as uploaded'
FORMATS = (AS_UPLOADED, '.mp4', '.mov', '.mkv', '.webm')
_SWEEP_SECONDS = 60.
_PATIENCE = 20.  # seconds that a job which is cancelled may take to end


@dataclasses.dataclass(frozen=True)
class Wish:
    """What a user has set.

    Args:
        model (str): Name of the model.
        start (str): First time; '' for the beginning.
        end (str): Time to stop at; '' for the end.
        format (str): One of ``FORMATS``.
    """

    model: str
    start: str = ''
    end: str = ''
    format: str = AS_UPLOADED

    def part(self, preview: bool = False) -> tuple[float | None, float | None]:
        """Start and end in seconds, None where they are the film's own.

        Raises:
            ValueError: Not a time, or the end does not lie after the start.
        """
        start = parse_time(self.start.strip()) if self.start.strip() else None
        end = parse_time(self.end.strip()) if self.end.strip() else None
        if preview:
            limit = (start or 0.) + PREVIEW_SECONDS
            end = limit if end is None else min(end, limit)
        DeblurOptions(start=start, end=end)
        return start, end


class Desk:
    """Open pages, their jobs, and what is known of the models' speed.

    Args:
        options (WebOptions): What the server was asked.
        inference (InferenceOptions): How networks are run.
    """

    def __init__(self, options: WebOptions, inference: InferenceOptions) -> None:
        self.options = options
        self.models = {model.name: model for model in options.choices}
        self.visits = Visits(options.folder, options.keep_hours)
        self.rates: dict[str, float] = {}  # seconds for a megapixel, by name of the model
        self._inference = vars(inference)
        self._computing = JobQueue('cdvd-mm-compute', options.max_waiting)
        self._looking = JobQueue('cdvd-mm-look', options.max_waiting)
        self._closed = threading.Event()
        for model in options.choices:
            self._measure(model)
        threading.Thread(target=self._sweep, daemon=True).start()

    def close(self) -> None:
        """End everything and remove all files."""
        self._closed.set()
        self._computing.close()
        self._looking.close()
        self.visits.remove()

    def ahead(self, job: Job) -> int:
        """Jobs that come before one."""
        return self._computing.ahead(job)

    @property
    def waiting(self) -> int:
        """Jobs of all pages that are worked at or wait."""
        return self._computing.length

    def look(self, visit: Visit) -> Job:
        """See what was uploaded."""
        def keep(job: Job) -> None:
            if job.state == DONE:
                visit.found = job.result

        return self._submit(self._looking, visit, 'look', dict(
            source=visit.source, max_seconds=self.options.max_seconds), keep)

    def estimate(self, found: Found, wish: Wish, preview: bool = False) -> float | None:
        """Seconds that a restoration will take; None where that is not known yet.

        Raises:
            ValueError: See :meth:`Wish.part`.
        """
        start, end = wish.part(preview)
        rate = self.rates.get(wish.model)
        if rate is None or not found.num_frames:
            return None
        last = min(found.seconds, end or found.seconds)
        num_frames = max(0., last - (start or 0.)) * found.rate
        return rate * found.megapixels * num_frames

    def restore(self, visit: Visit, wish: Wish, preview: bool) -> Job:
        """Restore what was uploaded.

        Raises:
            ValueError: Nothing was, something is being done, the wish makes no sense, or the queue
                is full.
        """
        if visit.source is None or visit.found is None:
            raise ValueError('there is no video yet: drop one first')
        found: Found = visit.found
        model = self._model(wish)
        start, end = wish.part(preview)
        if start is not None and found.seconds and start >= found.seconds:
            raise ValueError(f'the part begins at {start:g} s, but the video ends at '
                             f'{found.seconds:.1f} s: choose an earlier beginning')
        fps = PICTURES_PER_SECOND if found.pictures else None

        def learn(job: Job) -> None:
            if job.state == DONE:
                pixels = job.result.num_frames * found.megapixels
                self.rates[model.name] = job.result.seconds / max(pixels, 1e-6)

        return self._submit(self._computing, visit, 'restore', dict(
            model=model, inference=self._inference, source=visit.source,
            output=visit.result(_suffix(visit.source, wish.format)),
            options=dict(start=start, end=end, fps=fps, overwrite=True, resume=False)), learn)

    def see(self, visit: Visit, wish: Wish, seconds: float) -> Job:
        """Draw what the network saw at a time of the upload.

        Raises:
            ValueError: Nothing was uploaded, something is being done, or the queue is full.
        """
        if visit.source is None:
            raise ValueError('there is no video yet: drop one first')
        return self._submit(self._computing, visit, 'see', dict(
            model=self._model(wish), inference=self._inference, source=visit.source,
            seconds=seconds, folder=visit.folder))

    def cancel(self, visit: Visit) -> None:
        """Stop what is being done."""
        if visit.job is not None:
            for queue in (self._computing, self._looking):
                queue.cancel(visit.job)
            visit.job.wait(_PATIENCE)

    def leave(self, session: str) -> None:
        """A page was closed."""
        visit = self.visits.pop(session)
        if visit is not None:
            self.cancel(visit)
            shutil.rmtree(visit.folder, ignore_errors=True)

    def _model(self, wish: Wish) -> Model:
        if wish.model not in self.models:
            raise ValueError(f'no model {wish.model!r}: expected one of {", ".join(self.models)}')
        return self.models[wish.model]

    def _submit(self, queue: JobQueue, visit: Visit, task: str, arguments: dict[str, Any],
                then: Any = None) -> Job:
        if visit.job is not None and not visit.job.ended:
            raise ValueError('this page is busy already: wait, or cancel')
        visit.job = queue.submit(task, arguments, then)
        return visit.job

    def _measure(self, model: Model) -> None:
        def learn(job: Job) -> None:
            if job.state == DONE:
                self.rates.setdefault(model.name, job.result)
            elif job.state == FAILED:
                print_log(f'{model.name} cannot be used: {job.error}', 'current', logging.ERROR)

        self._computing.submit('measure', dict(model=model, inference=self._inference), learn)

    def _sweep(self) -> None:
        while not self._closed.wait(_SWEEP_SECONDS):
            for session in self.visits.idle():
                self.leave(session)


def _suffix(source: Path, wanted: str) -> str:
    """What the name of the result ends in; '' for a folder of pictures."""
    if source.is_dir():
        return ''
    if wanted not in FORMATS:
        raise ValueError(f'no format {wanted!r}: expected one of {", ".join(FORMATS)}')
    if wanted != AS_UPLOADED:
        return wanted
    return source.suffix if source.suffix in CONTAINERS else '.mp4'
