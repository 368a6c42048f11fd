"""What goes wrong, as one line and an exit code: the one place that turns errors into words."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator

from cdvd_mm.requirements import EXTRAS, of_group

FAILED, WRONG_USAGE, INTERRUPTED = 1, 2, 130
_LONGEST = 600  # letters of a message that is not this package's own


class UserError(Exception):
    """An error whose message is all that the user has to know."""


class Terminated(KeyboardInterrupt):
    """A signal ended the program, which has saved what it could.

    Args:
        number (int): The signal.
        message (str): What was kept, and how to go on.
    """

    def __init__(self, number: int, message: str = '') -> None:
        super().__init__(message or f'ended by {signal.Signals(number).name}')
        self.number = number


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """Treat a polite kill (a batch system's, say) as Ctrl-C, with an exit code of its own."""

    def end(number: int, frame: object) -> None:
        raise Terminated(number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def exit_code(error: KeyboardInterrupt) -> int:
    """What a shell gives for a program that the signal ended: 130 for Ctrl-C."""
    return 128 + error.number if isinstance(error, Terminated) else INTERRUPTED


def guarded(call: Callable[[], int | None], debug: bool = False) -> int:
    """Call a program; whatever goes wrong ends in a line on stderr and an exit code.

    Args:
        call (Callable): The program.
        debug (bool): Let errors pass with their traceback; the environment variable
            CDVD_MM_DEBUG does the same.

    Returns:
        int: What it returned, or 0; 1: an error; 130: Ctrl-C; 128 and its number: a signal.
    """
    debug = debug or bool(os.environ.get('CDVD_MM_DEBUG'))
    logging.raiseExceptions = debug  # a log that cannot be written is no traceback
    reconfigure = getattr(sys.stdout, 'reconfigure', None)
    if reconfigure is not None:
        reconfigure(errors='backslashreplace')  # names of files may be no text
    try:
        code = call() or 0
        sys.stdout.flush()
        return code
    except KeyboardInterrupt as error:
        say(str(error) or 'interrupted; the same command goes on where it can')
        return exit_code(error)
    except Exception as error:
        if debug:
            raise
        say(f'error: {explain(error)}')
        _drop_unwritten()
        return FAILED


def say(text: str) -> None:
    """A line for people: on stderr."""
    with contextlib.suppress(OSError):
        sys.stderr.write(f'{text}\n')
        sys.stderr.flush()


def explain(error: Exception) -> str:
    """What to tell the user of an error.

    Args:
        error (Exception): Any. The messages of ValueError, OSError and :class:`UserError` are meant
            to be read; of others, which a config can cause as well as a mistake in the code, the
            type and the place are told, too.
    """
    if isinstance(error, ImportError):
        package = (error.name or '').partition('.')[0]
        for entry in of_group(*EXTRAS):
            if entry.module == package:
                return f'{entry.name} is missing; to get it: {entry.get}'
    if isinstance(error, MemoryError):
        return f'the memory does not suffice ({_on_one_line(error)}): take smaller pictures or ' \
               'batches'
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f'{os.fsdecode(error.filename)}: {error.strerror}'
    if isinstance(error, (ValueError, OSError, UserError, *_explained())) and str(error):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    place = f' ({frames[-1].filename}:{frames[-1].lineno})' if frames else ''
    return f'{type(error).__name__}: {_on_one_line(error)}{place}; --debug shows the way there'


def _explained() -> tuple[type[Exception], ...]:
    """PyTorch's error of too little memory, which carries advice where it was caught."""
    torch = sys.modules.get('torch')
    return () if torch is None else (torch.cuda.OutOfMemoryError, )


def _on_one_line(error: BaseException) -> str:
    text = ' '.join(str(error).split())
    return text if len(text) <= _LONGEST else f'{text[:_LONGEST]} ...'


def _drop_unwritten() -> None:
    """What stdout cannot take (a closed pipe, a full disk) must not be tried again at the end."""
    try:
        sys.stdout.flush()
    except OSError:
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
