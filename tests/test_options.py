"""The layer that makes parser, API and docs table of one dataclass."""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any

import pytest

from cdvd_mm.options import (
    REQUIRED,
    add_options,
    from_args,
    option,
    options_table,
    parse_value,
    positional,
    update_tables,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShowOptions:
    """Show a film."""

    film: str = positional('path of the film')
    places: tuple[str, ...] = positional('where to', default=('here', ))
    rate: float = option(30., 'frames a second, 50 % more at fairs', metavar='FPS')
    seats: tuple[int, ...] = option((1, 2), 'seats to keep')
    loop: bool = option(False, 'begin again at the end')
    sound: bool = option(True, 'without sound')
    volume: int | None = option(None, 'loudness, <quiet> to loud', shown_default='as the film says')
    amp: str | None = option(None, 'amplifier', choices=('auto', 'valve'), bare='auto')
    settings: dict[str, Any] | None = option(None, 'of the projector')
    labels: dict[str, str] | None = option(None, 'words | signs')
    ticket: str = option(REQUIRED, 'number of the ticket', flag='--ticket-number')
    rank: int = option(0, 'nobody needs to know', hidden=True)
    inner: int = 7  # no option

    def __post_init__(self) -> None:
        if self.rate <= 0:
            raise ValueError(f'rate must be positive, found {self.rate}')


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser()
    add_options(made, ShowOptions)
    return made


def parse(*argv: str) -> ShowOptions:
    args = parser().parse_intermixed_args(['a.mp4', '--ticket-number', '7', *argv])
    return from_args(args, ShowOptions)


def test_defaults_are_those_of_the_dataclass():
    assert parse() == ShowOptions(film='a.mp4', ticket='7')
    assert parse().inner == 7


def test_every_kind_is_read():
    found = parse('b', 'c', '--rate', '24', '--seats', '3', '4', '--loop', '--no-sound', '--volume',
                  '11', '--amp', '--settings', 'lamp.power=1e3', 'lens=[1,2]', '--settings',
                  'name=b c', '--labels', 'crf=018', 'x=a=b,c', '--rank', '2')
    assert found == ShowOptions(
        film='a.mp4', places=('b', 'c'), rate=24., seats=(3, 4), loop=True, sound=False, volume=11,
        amp='auto', settings={'lamp.power': 1000., 'lens': [1, 2], 'name': 'b c'},
        labels={'crf': '018', 'x': 'a=b,c'}, ticket='7', rank=2)


@pytest.mark.parametrize('argv, message', [
    (['--rate', 'fast'], "argument --rate: expected a number, found 'fast'"),
    (['--rate', 'nan'], 'expected a finite number'),
    (['--volume', '1.5'], "argument --volume: expected a whole number, found '1.5'"),
    (['--amp', 'none'], 'invalid choice'),
    (['--settings', 'lamp'], "argument --settings: expected KEY=VALUE, found 'lamp'"),
    (['--settings', 'lens=[1,(2]]'], 'lens: the brackets of [1,(2]] do not match'),
])
def test_wrong_values_are_told(argv, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        parse(*argv)
    assert stopped.value.code == 2 and message in capsys.readouterr().err


def test_what_is_required_is_asked_for(capsys):
    with pytest.raises(SystemExit):
        parser().parse_intermixed_args(['a.mp4'])
    assert '--ticket-number' in capsys.readouterr().err


def test_the_dataclass_has_the_last_word():
    with pytest.raises(ValueError, match='rate must be positive'):
        parse('--rate', '-1')


def test_help_names_defaults():
    text = ' '.join(parser().format_help().split())
    assert 'frames a second, 50 % more at fairs (default: 30)' in text
    assert 'seats to keep (default: 1 2)' in text
    assert 'loudness, <quiet> to loud (default: as the film says)' in text
    assert 'begin again at the end --no-sound' in text and 'nobody' not in text


TABLE = """\
| Option | In Python | Default | Meaning |
| --- | --- | --- | --- |
| `FILM` | `film` | required | path of the film |
| `PLACES` | `places` | `here` | where to |
| `--rate FPS` | `rate` | `30` | frames a second, 50 % more at fairs |
| `--seats SEATS` | `seats` | `1 2` | seats to keep |
| `--loop` | `loop` |  | begin again at the end |
| `--no-sound` | `sound=False` |  | without sound |
| `--volume VOLUME` | `volume` | `as the film says` | loudness, \\<quiet> to loud |
| `--amp auto\\|valve` | `amp` |  | amplifier |
| `--settings KEY=VALUE` | `settings` |  | of the projector |
| `--labels KEY=VALUE` | `labels` |  | words \\| signs |
| `--ticket-number TICKET` | `ticket` | required | number of the ticket |"""


def test_table():
    assert options_table(ShowOptions) == TABLE


def test_tables_are_written_between_their_marks():
    marks = '<!-- options of test_options:ShowOptions -->\n{}<!-- end of options -->\nafter'
    before = f'before\n{marks.format("anything")}'
    expected = f'before\n{marks.format(f"{chr(10)}{TABLE}{chr(10) * 2}")}'
    assert update_tables(before) == expected == update_tables(expected)


def test_docs_say_what_the_dataclasses_say(repo_root):
    pages = [*(repo_root / 'docs/en').glob('*.md'), repo_root / 'README.md']
    for page in pages:
        text = page.read_text(encoding='utf-8')
        assert update_tables(text) == text, \
            f'{page.name}: python -m cdvd_mm.options {page.relative_to(repo_root)} mends it'


# What MMEngine's own action makes of them, too.
@pytest.mark.parametrize('text', [
    '1', '-1', '0', '1.5', '.5', '1e-4', '1E5', 'inf', 'True', 'false', 'None', 'abc', 'a/b.pth',
    '[1,2,3]', '[1, 2, 3]', '(1,2)', '[(1,2),[3,4.5],c]', '1,2', '1,None,true', '[]', '()', '[a]',
    'a=b', '', '-', '1e', 'x.0.y', "'[1,2]'", '[1,2,]'])
def test_values_are_read_as_mmengine_does(text):
    from mmengine.config import DictAction
    expected = DictAction._parse_iterable(text)
    assert parse_value(text) == expected and type(parse_value(text)) is type(expected)


@pytest.mark.parametrize('text, expected', [
    ('my folder/a b', 'my folder/a b'), (' a', ' a'), ('a,b', 'a,b'), ('1,b', '1,b'),
    ('007', '007'), ('-01', '-01'), ('00.5', '00.5'), ('1_000', '1_000'), ('١٢', '١٢'),
    ('Köln/東京', 'Köln/東京'), ("'1'", '1'), ('"a, b"', 'a, b'), ('[a b, c]', ['a b', 'c']),
    ("['a,b', 01]", ['a,b', '01']), ("it's", "it's"), ('[a](b)', '[a](b)')])
def test_what_is_no_value_arrives_as_typed(text, expected):
    assert parse_value(text) == expected


@pytest.mark.parametrize('text', ['[1', '1]', '(1]'])
def test_half_a_bracket_is_text(text):
    assert parse_value(text) == text


@pytest.mark.parametrize('text', ['[(1]', '[1)]', '[[1]', "['a]"])
def test_brackets_must_match(text):
    with pytest.raises(ValueError, match='do not match'):
        parse_value(text)
