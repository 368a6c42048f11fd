"""A process that does the work: whatever happens in it, the server stays.

A task is a function of :mod:`cdvd_mm.web.tasks`. It is called with ``tell``, to report how far it
is, and its own arguments; the process keeps what tasks keep (a model) from one to the next.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from cdvd_mm.errors import explain


class Message(NamedTuple):
    """What the process says of its task.

    Args:
        kind (str): 'progress', 'done' or 'failed'.
        content (Any): Progress, the result, or what is to be told.
    """

    kind: str
    content: Any


class WorkerDied(RuntimeError):
    """The process ended in the middle of a task."""


class Worker:
    """The process, started when it is needed and again after it has died.

    Args:
        name (str): What it is called in lists of processes.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._context = multiprocessing.get_context('spawn')
        self._process: multiprocessing.process.BaseProcess | None = None
        self._pipe: Connection | None = None

    def start(self) -> None:
        """Start it unless it runs."""
        if self._process is not None and self._process.is_alive():
            return
        self.stop()
        self._pipe, far = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(far, ), daemon=True, name=self._name)
        process.start()
        self._process = process  # another thread sees it once it runs
        far.close()

    def run(self, task: str, arguments: dict[str, Any]) -> Generator[Message | None, None, None]:
        """Give it a task.

        Yields:
            Message | None: What it says; None where it has said nothing for a while. The last one
            is none of 'progress'.

        Raises:
            WorkerDied: It died.
        """
        self.start()
        assert self._pipe is not None
        try:
            self._pipe.send((task, arguments))
            while True:
                if not self._pipe.poll(0.1):
                    yield None
                    continue
                message = self._pipe.recv()
                yield message
                if message.kind != 'progress':
                    return
        except (EOFError, OSError) as error:
            code = self.stop()
            hint = ': memory ran out, it seems' if code == -signal.SIGKILL else ''
            raise WorkerDied(f'the process that worked at it died (exit code {code}{hint}); the '
                             'others go on, try a shorter part or smaller pictures') from error

    def stop(self) -> int | None:
        """End it at once; its exit code."""
        process, pipe, self._process, self._pipe = self._process, self._pipe, None, None
        if pipe is not None:
            pipe.close()
        if process is None:
            return None
        process.join(0.2)  # one that has died has its own exit code
        if process.is_alive():
            process.kill()
        process.join()
        return process.exitcode


def _serve(pipe: Connection) -> None:
    """The process: one task after the other, until the server is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's, which ends this one
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_end_with, args=(parent, ), daemon=True).start()
    while True:
        try:
            task, arguments = pipe.recv()
            pipe.send(_perform(task, arguments, lambda *news: pipe.send(Message('progress', news))))
        except (EOFError, BrokenPipeError):
            return


def _end_with(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()
    os._exit(0)


def _perform(task: str, arguments: dict[str, Any], tell: Callable[..., None]) -> Message:
    from . import tasks
    try:
        return Message('done', getattr(tasks, task)(tell, **arguments))
    except Exception as error:  # whatever it is, the next task is to be done
        return Message('failed', explain(error))
