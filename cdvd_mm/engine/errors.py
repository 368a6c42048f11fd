"""Errors that end a training, told apart from mistakes in the code."""


class TrainingStopped(RuntimeError):
    """The training cannot go on; the message says why and how to resume."""
