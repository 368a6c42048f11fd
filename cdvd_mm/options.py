"""Options declared once: a dataclass makes the command line, the API and the table in the docs.

A command's options are the fields of a frozen, keyword-only dataclass, declared with
:func:`option` and :func:`positional`:

>>> @dataclasses.dataclass(frozen=True, kw_only=True)
... class ShowOptions:
...     '''Show a film.'''
...     film: str = positional('path of the film')
...     rate: float = option(30., 'frames a second', metavar='FPS')
...     loop: bool = option(False, 'begin again at the end')

``ShowOptions(film='a.mp4')`` is the API; :func:`add_options` and :func:`from_args` make the
command line of it, :func:`options_table` the Markdown table. Modules that declare options import
nothing but the standard library, so that a help text comes at once.

``python -m cdvd_mm.options docs/en/*.md`` writes the tables of the docs anew.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import math
import re
import sys
import types
import typing
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar('T')
REQUIRED = dataclasses.MISSING
_KEY = 'cdvd_mm.option'


@dataclasses.dataclass(frozen=True)
class _Declared:
    """What a field's metadata holds beside its type and default."""

    help: str
    positional: bool = False
    flag: str | None = None
    metavar: str | None = None
    choices: tuple[str, ...] | None = None
    convert: Callable[[str], Any] | None = None
    bare: str | None = None
    hidden: bool = False
    shown_default: str | None = None


def option(default: Any, help: str, *, flag: str | None = None, metavar: str | None = None,
           choices: Sequence[str] | None = None, convert: Callable[[str], Any] | None = None,
           bare: str | None = None, hidden: bool = False, shown_default: str | None = None) -> Any:
    """Declare a field that is an option of the command line.

    The annotation says how it is read: ``bool`` is a switch (``--name``, or ``--no-name`` where
    the default is True), ``tuple[X, ...]`` takes several values, ``dict[str, Any]`` takes
    ``KEY=VALUE`` with numbers and lists (:func:`parse_value`), ``dict[str, str]`` takes them as
    they are typed, ``int``, ``float`` and ``str`` take one value; ``| None`` changes nothing.

    Args:
        default (Any): The value where the option is not given; ``REQUIRED``: it has to be.
        help (str): One sentence for the help text and the docs; the default is added.
        flag (str, optional): Name of the option. Default: the field's, with dashes.
        metavar (str, optional): What the help text calls the value.
        choices (Sequence[str], optional): The values that there are.
        convert (Callable[[str], Any], optional): Reads a value; raises ValueError for a wrong one.
        bare (str, optional): The value where the option is given without one.
        hidden (bool): Leave it out of help text and docs.
        shown_default (str, optional): What to call the default. Default: its value; '' says none.
    """
    declared = _Declared(help, flag=flag, metavar=metavar,
                         choices=None if choices is None else tuple(choices), convert=convert,
                         bare=bare, hidden=hidden, shown_default=shown_default)
    return _field(default, declared)


def positional(help: str, *, default: Any = REQUIRED, metavar: str | None = None,
               choices: Sequence[str] | None = None,
               convert: Callable[[str], Any] | None = None) -> Any:
    """Declare a field that is a positional argument; see :func:`option`."""
    declared = _Declared(help, positional=True, metavar=metavar, convert=convert,
                         choices=None if choices is None else tuple(choices))
    return _field(default, declared)


def _field(default: Any, declared: _Declared) -> Any:
    metadata = {_KEY: declared}
    if isinstance(default, (list, dict)):
        return dataclasses.field(default_factory=default.copy, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True)
class _Option:
    """A field, with all that its annotation and its metadata say."""

    name: str
    declared: _Declared
    kind: Any  # the type of a value; dict for KEY=VALUE
    several: bool
    typed: bool  # KEY=VALUE: the value is parsed
    default: Any

    @property
    def required(self) -> bool:
        return self.default is REQUIRED

    @property
    def flag(self) -> str:
        if self.declared.flag is not None:
            return self.declared.flag
        prefix = '--no-' if self.kind is bool and self.default is True else '--'
        return prefix + self.name.replace('_', '-')

    @property
    def metavar(self) -> str | None:
        if self.declared.choices is not None or self.kind is bool:
            return self.declared.metavar
        if self.kind is dict:
            return self.declared.metavar or 'KEY=VALUE'
        return self.declared.metavar or self.name.upper()

    @property
    def default_text(self) -> str:
        """The default in words; '' where there is none to be named."""
        if self.declared.shown_default is not None:
            return self.declared.shown_default
        if self.required or self.default in (None, (), '') or isinstance(self.default,
                                                                         (bool, dict)):
            return ''
        if self.several:
            return ' '.join(map(str, self.default))
        return f'{self.default:g}' if isinstance(self.default, float) else str(self.default)


def _options(cls: type) -> list[_Option]:
    """The declared fields of a dataclass, in order."""
    hints = typing.get_type_hints(cls)
    found = []
    for field in dataclasses.fields(cls):
        if _KEY not in field.metadata:
            continue
        declared: _Declared = field.metadata[_KEY]
        kind = _without_none(hints[field.name])
        origin, arguments = typing.get_origin(kind), typing.get_args(kind)
        several = origin is list or (origin is tuple and arguments[-1:] == (..., ))
        if several:
            kind = arguments[0]
        elif origin is dict:
            kind = dict
        default = field.default
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        found.append(_Option(field.name, declared, kind, several,
                             origin is dict and arguments[1] is not str, default))
    return found


def _without_none(kind: Any) -> Any:
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        left = [part for part in typing.get_args(kind) if part is not type(None)]
        return left[0] if len(left) == 1 else str
    return kind


def add_options(parser: argparse._ActionsContainer, cls: type) -> None:
    """Add the options of a dataclass to a parser, or to a group of one.

    Args:
        parser (argparse.ArgumentParser): The parser.
        cls (type): A dataclass whose fields are declared with :func:`option` and
            :func:`positional`; others are left out.
    """
    for one in _options(cls):
        names = [one.name] if one.declared.positional else [one.flag]
        keywords: dict[str, Any] = {'help': _help(one)}
        if not one.declared.positional:
            keywords['dest'] = one.name
            if one.required:
                keywords['required'] = True
        if not one.required:
            keywords['default'] = one.default
        if one.kind is bool:
            keywords['action'] = 'store_false' if one.default is True else 'store_true'
        elif one.kind is dict:
            keywords.update(action=_KeyValue, nargs='+', metavar=one.metavar, typed=one.typed)
        else:
            keywords.update(metavar=one.metavar, choices=one.declared.choices,
                            type=_converter(one.declared.convert or one.kind))
            if one.declared.bare is not None:
                keywords.update(nargs='?', const=one.declared.bare)
            elif one.several:
                keywords['nargs'] = '*' if one.declared.positional and not one.required else '+'
            elif one.declared.positional and not one.required:
                keywords['nargs'] = '?'
        parser.add_argument(*names, **keywords)


def _help(one: _Option) -> str:
    if one.declared.hidden:
        return argparse.SUPPRESS
    text = one.declared.help
    if one.default_text:
        text += f' (default: {one.default_text})'
    return text.replace('%', '%%')


def from_args(args: argparse.Namespace, cls: type[T]) -> T:
    """Make the dataclass of what :func:`add_options` parsed.

    Args:
        args (argparse.Namespace): What the parser gave.
        cls (type): The dataclass.

    Raises:
        ValueError: The dataclass refuses the values.
    """
    values = {}
    for one in _options(cls):
        value = getattr(args, one.name)
        values[one.name] = tuple(value) if one.several and value is not None else value
    return cls(**values)


def _converter(kind: Callable[[str], Any]) -> Callable[[str], Any]:
    """A reader of values whose complaint reaches the user."""
    read = {int: _whole_number, float: _number}.get(kind, kind)  # type: ignore[call-overload]

    def convert(text: str) -> Any:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return convert


def _whole_number(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise ValueError(f'expected a whole number, found {text!r}') from error


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise ValueError(f'expected a number, found {text!r}') from error
    if not math.isfinite(value):
        raise ValueError(f'expected a finite number, found {text!r}')
    return value


class _KeyValue(argparse.Action):
    """Collects KEY=VALUE in a dictionary; given again, it goes on with the same one."""

    def __init__(self, *args: Any, typed: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._typed = typed

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace,
                 values: Any, option_string: str | None = None) -> None:
        """Add the pairs of one occurrence."""
        found = dict(getattr(namespace, self.dest, None) or {})
        for pair in values:
            key, equals, text = pair.partition('=')
            if not equals or not key:
                raise argparse.ArgumentError(self, f'expected KEY=VALUE, found {pair!r}')
            try:
                found[key] = parse_value(text) if self._typed else text
            except ValueError as error:
                raise argparse.ArgumentError(self, f'{key}: {error}') from error
        setattr(namespace, self.dest, found)


_INTEGER = re.compile(r'[+-]?(0|[1-9][0-9]*)')
_FLOAT = re.compile(r'[+-]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?'
                    r'|[+-]?(inf|nan)', re.IGNORECASE)
_WORDS = {'true': True, 'false': False, 'none': None}


def parse_value(text: str) -> Any:
    """Read the VALUE of ``KEY=VALUE`` as MMEngine does, but what is no value of Python stays typed.

    Numbers, true, false and None; ``[a, b]`` and ``(a, b)``, nested as well; ``1,2`` without
    brackets where all are numbers, true, false or None. Everything else is a string with its
    spaces, commas and leading zeros; quotes around it make a string of anything.

    Args:
        text (str): The text after the first equals sign.

    Raises:
        ValueError: Brackets that do not match.
    """
    if len(text) > 1 and text[0] in '\'"' and text[-1] == text[0]:
        inner = text[1:-1]
        return parse_value(inner) if inner[:1] + inner[-1:] in ('[]', '()') else inner
    if text[:1] + text[-1:] in ('[]', '()'):
        values = [parse_value(part.strip()) for part in _split(text[1:-1])]
        return tuple(values) if text[0] == '(' else values
    if ',' in text:
        parts = [_scalar(part.strip()) for part in text.split(',') if part.strip()]
        if parts and not any(isinstance(part, str) for part in parts):
            return parts
    return _scalar(text)


def _scalar(text: str) -> Any:
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    if text.lower() in ('true', 'false') or text == 'None':
        return _WORDS[text.lower()]
    return text


def _split(text: str) -> list[str]:
    """Cut at the commas outside of brackets and quotes; a comma at the end adds nothing."""
    parts, open_brackets, quote = [''], [], ''
    for char in text:
        if quote:
            quote = '' if char == quote else quote
        elif char in '\'"' and not parts[-1].strip():
            quote = char
        elif char in '[(':
            open_brackets.append(char)
        elif char in '])':
            if not open_brackets or open_brackets.pop() + char not in ('[]', '()'):
                raise ValueError(f'the brackets of [{text}] do not match')
        elif char == ',' and not open_brackets:
            parts.append('')
            continue
        parts[-1] += char
    if open_brackets or quote:
        raise ValueError(f'the brackets or quotes of [{text}] do not match')
    return parts[:-1] if not parts[-1].strip() else parts


def options_table(cls: type) -> str:
    """The options of a dataclass as a Markdown table, without a newline at the end."""
    lines = ['| Option | In Python | Default | Meaning |', '| --- | --- | --- | --- |']
    for one in _options(cls):
        if one.declared.hidden:
            continue
        choices = '|'.join(one.declared.choices or ())
        value = '' if one.kind is bool else one.metavar or choices
        shown = value if one.declared.positional else f'{one.flag} {value}'.strip()
        name = f'{one.name}=False' if one.default is True else one.name
        default = 'required' if one.required else one.default_text and f'`{one.default_text}`'
        cells = (f'`{shown}`', f'`{name}`', default, one.declared.help.replace('<', '\\<'))
        lines.append('| ' + ' | '.join(cell.replace('|', '\\|') for cell in cells) + ' |')
    return '\n'.join(lines)


def load(name: str) -> Any:
    """The object that ``module:name`` names."""
    module, _, attribute = name.partition(':')
    return getattr(importlib.import_module(module), attribute)


_TABLE = re.compile(r'(<!-- options of (?P<name>[\w.:]+) -->\n).*?(<!-- end of options -->)',
                    re.DOTALL)


def update_tables(text: str) -> str:
    """Write the tables between ``<!-- options of MODULE:CLASS -->`` and its end anew."""
    return _TABLE.sub(
        lambda found: f'{found[1]}\n{options_table(load(found["name"]))}\n\n{found[3]}', text)


def _update_files(paths: Iterable[str]) -> None:
    for path in map(Path, paths):
        before = path.read_text(encoding='utf-8')
        after = update_tables(before)
        if after != before:
            path.write_text(after, encoding='utf-8')


if __name__ == '__main__':
    _update_files(sys.argv[1:])
