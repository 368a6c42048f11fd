"""Jobs that are worked at one at a time, in the order in which they came."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any

from .worker import Worker, WorkerDied

WAITING, RUNNING, DONE, FAILED, CANCELLED = 'waiting', 'running', 'done', 'failed', 'cancelled'


class Job:
    """A task, and how far it is.

    Attributes:
        task (str): A function of :mod:`cdvd_mm.web.tasks`.
        arguments (dict[str, Any]): Its arguments.
        state (str): waiting, running, done, failed or cancelled.
        phase (str): What is being done.
        done (int): Frames that are done ...
        expected (int): ... of so many; 0: unknown.
        result (Any): What came of it, once done.
        error (str): What went wrong, once failed.
        cancel_asked (bool): It is about to be cancelled.
    """

    def __init__(self, task: str, arguments: dict[str, Any],
                 then: Callable[[Job], None] | None = None) -> None:
        self.task = task
        self.arguments = arguments
        self.state = WAITING
        self.phase = ''
        self.done = 0
        self.expected = 0
        self.result: Any = None
        self.error = ''
        self.cancel_asked = False
        self._then = then
        self._finished = threading.Event()
        self._first: tuple[float, int] | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self._finished.is_set()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until nothing more will come; False where it takes longer than that."""
        return self._finished.wait(seconds)

    @property
    def rate(self) -> float:
        """Frames a second since the first one; 0 where it is not known yet."""
        if self._first is None or self.done <= self._first[1]:
            return 0.
        return (self.done - self._first[1]) / max(time.monotonic() - self._first[0], 1e-6)

    @property
    def seconds_left(self) -> float | None:
        """Seconds that the frames to come will take; None where it is not known yet."""
        rate = self.rate
        return (self.expected - self.done) / rate if rate and self.expected else None

    def progress(self, phase: str, done: int = 0, expected: int = 0) -> None:
        """Note how far it is."""
        if phase != self.phase:
            self._first = None
        self.phase, self.done, self.expected = phase, done, expected
        if done and self._first is None:
            self._first = (time.monotonic(), done)

    def end(self, state: str, result: Any = None, error: str = '') -> None:
        """Note what came of it."""
        self.result, self.error, self.state = result, error, state
        if self._then is not None:
            self._then(self)
        self._finished.set()


class QueueFull(ValueError):
    """More jobs wait than may."""


class JobQueue:
    """A queue with a thread and a process of its own.

    Args:
        name (str): What it is called.
        max_waiting (int): Jobs that may wait.
    """

    def __init__(self, name: str, max_waiting: int) -> None:
        self._worker = Worker(name)
        self._max_waiting = max_waiting
        self._jobs: list[Job] = []  # the first one is worked at
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def submit(self, task: str, arguments: dict[str, Any],
               then: Callable[[Job], None] | None = None) -> Job:
        """Put a job at the end of the queue.

        Args:
            task (str): A function of :mod:`cdvd_mm.web.tasks`.
            arguments (dict[str, Any]): Its arguments.
            then (Callable, optional): Called with the job once it has ended.

        Raises:
            QueueFull: Too many are waiting.
        """
        job = Job(task, arguments, then)
        with self._changed:
            if len(self._jobs) > self._max_waiting:
                raise QueueFull(f'{len(self._jobs) - 1} jobs are waiting already, which is as many '
                                'as may: try again later')
            self._jobs.append(job)
            self._changed.notify_all()
        return job

    def ahead(self, job: Job) -> int:
        """Jobs that come before one."""
        with self._changed:
            return self._jobs.index(job) if job in self._jobs else 0

    @property
    def length(self) -> int:
        """Jobs that are worked at or wait."""
        return len(self._jobs)

    def cancel(self, job: Job) -> None:
        """Take a job out; one that is worked at ends with its process."""
        with self._changed:
            if job.ended:
                return
            if job.state == WAITING:
                self._jobs.remove(job)
                job.end(CANCELLED)
            job.cancel_asked = True  # of one that is worked at, the thread sees to it
            self._changed.notify_all()

    def close(self) -> None:
        """Cancel everything and end the process."""
        with self._changed:
            self._closed = True
            for job in list(self._jobs):
                self.cancel(job)
            self._changed.notify_all()
        self._thread.join(10)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._jobs or self._closed)
                if self._closed:
                    break
                job = self._jobs[0]
                job.state = RUNNING
            self._run(job)
            with self._changed:
                self._jobs.remove(job)
        self._worker.stop()

    def _run(self, job: Job) -> None:
        state, result, error = FAILED, None, ''
        try:
            with contextlib.closing(self._worker.run(job.task, job.arguments)) as messages:
                for message in messages:
                    if job.cancel_asked:
                        break
                    if message is None:
                        continue
                    if message.kind == 'progress':
                        job.progress(*message.content)
                    elif message.kind == 'done':
                        state, result = DONE, message.content
                    else:
                        error = message.content
        except WorkerDied as died:
            error = str(died)
        if job.cancel_asked:
            self._worker.stop()
            self._worker.start()  # so that it is ready for the next one
            state = CANCELLED
        job.end(state, result, error)
