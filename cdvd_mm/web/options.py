"""What ``cdvd-mm web`` may be asked."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

from cdvd_mm.options import option, positional


class Model(NamedTuple):
    """A model to choose on the page; the one that comes with the package has no config."""

    name: str
    config: str | None = None
    checkpoint: str | None = None


SHIPPED = Model('the model that comes with the package')


def parse_model(text: str) -> Model:
    """The model of 'NAME=CONFIG:CHECKPOINT'.

    Raises:
        ValueError: Something else.
    """
    name, _, files = text.partition('=')
    config, _, checkpoint = files.rpartition(':')
    if not (name.strip() and config and checkpoint):
        raise ValueError(f'{text!r} is no model: expected NAME=CONFIG:CHECKPOINT')
    return Model(name.strip(), config, checkpoint)


@dataclasses.dataclass(frozen=True, kw_only=True)
class WebOptions:
    """Serve a page on which videos are dropped, restored, compared and taken home.

    One job is done at a time, others wait. Nothing is fetched from other hosts. The page has no
    password: docs/en/web.md says how to serve a group.
    """

    models: tuple[Model, ...] = positional(
        'further models to choose from', default=(), metavar='NAME=CONFIG:CHECKPOINT',
        convert=parse_model)
    host: str = option('127.0.0.1', 'address to listen at: 127.0.0.1 is this machine alone',
                       metavar='ADDRESS')
    port: int = option(7860, 'port to listen at; 0: any free one')
    root_path: str = option('', 'path under which a reverse proxy shows the page, such as /deblur',
                            metavar='PATH')
    folder: str | None = option(None, 'where uploads and results lie while a page is open',
                                metavar='DIR', shown_default="the system's folder for such")
    max_megabytes: float = option(2000., 'largest upload', metavar='MB')
    max_seconds: float = option(600., 'longest video', metavar='S')
    max_waiting: int = option(20, 'jobs that may wait', metavar='N')
    keep_hours: float = option(12., 'a page that has done nothing for so long loses its files',
                               metavar='H')

    def __post_init__(self) -> None:
        names = [SHIPPED.name, *(model.name for model in self.models)]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f'two models are called {name}: give each a name of its own')
        for field in ('max_megabytes', 'max_seconds', 'keep_hours'):
            if getattr(self, field) <= 0:
                raise ValueError(f'{field} must be positive, found {getattr(self, field)}')
        if self.max_waiting < 1:
            raise ValueError(f'max_waiting must be 1 or more, found {self.max_waiting}')
        if not 0 <= self.port < 65536:
            raise ValueError(f'port must be 0 to 65535, found {self.port}')
        if self.root_path and (not self.root_path.startswith('/') or self.root_path.endswith('/')):
            raise ValueError(f'root_path must look like /deblur, found {self.root_path}')

    @property
    def choices(self) -> tuple[Model, ...]:
        """All models, the one that comes with the package first."""
        return SHIPPED, *self.models
