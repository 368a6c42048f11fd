"""What README, docs and help texts tell the reader to type: commands and snippets."""

from __future__ import annotations

import dataclasses
import inspect
import re
from pathlib import Path

from cdvd_mm.cli import COMMANDS
from cdvd_mm.options import load

ROOT = Path(__file__).resolve().parents[2]
PAGES = [path.relative_to(ROOT).as_posix() for path in (
    ROOT / 'README.md', ROOT / 'CONTRIBUTING.md', *sorted((ROOT / 'docs/en').glob('*.md')),
    *sorted((ROOT / 'configs').glob('*/README.md')))]
_SETTING = re.compile(r'(export )?\w+=("[^"]*"|\S*)(\s+#.*)?')
_PROGRAM = re.compile(r'(python -m \S+|(python|bash) [\w/]+\.\w+|cdvd-mm [\w-]+|pip|torchrun|'
                      r'tensorboard|tools/\w+\.sh)\s|cdvd-mm (--|check-env)')
"""What a command line in the text begins with; a program's name alone is none."""


@dataclasses.dataclass(frozen=True)
class Block:
    """A fenced block: where it begins, what it is written in, what it says."""

    page: str
    line: int
    language: str
    text: str

    @property
    def name(self) -> str:
        return f'{self.page}:{self.line}'


@dataclasses.dataclass(frozen=True)
class Command:
    """A command line, with the variables that the lines before it set."""

    name: str
    text: str
    settings: str = ''


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page."""
    text = (ROOT / page).read_text(encoding='utf-8')
    found = re.finditer(r'^( *)```(\w*)\n(.*?)^\1```', text, flags=re.M | re.S)
    return [Block(page, text[:match.start()].count('\n') + 2, match[2], match[3])
            for match in found]


def commands_of_block(block: Block) -> list[Command]:
    """The command lines of a shell block; a line goes on after a backslash."""
    found, settings, line = [], '', block.line
    for text in re.split(r'(?<!\\)\n', block.text):
        if _SETTING.fullmatch(text):
            settings += text + '\n'
        elif text.strip() and not text.lstrip().startswith('#'):
            found.append(Command(f'{block.page}:{line}', text, settings))
        line += text.count('\n') + 1
    return found


def commands_in_lines(page: str) -> list[Command]:
    """The command lines that stand in the text itself, between two backticks."""
    text = (ROOT / page).read_text(encoding='utf-8')
    text = re.sub(r'^( *)```.*?^\1```', lambda match: '\n' * match[0].count('\n'), text,
                  flags=re.M | re.S)
    return [Command(f'{page}:{text[:match.start()].count(chr(10)) + 1}',
                    re.sub(r'\s+', ' ', match[1]))
            for match in re.finditer(r'`([^`]+)`', text) if _PROGRAM.match(match[1])]


def examples_of_help_texts() -> list[Command]:
    """The lines "Example: ..." of what ``--help`` prints."""
    found = []
    for name, command in COMMANDS.items():
        for options in command.options:
            text = inspect.getdoc(load(options)) or ''
            found += [Command(f'{name} --help', f'cdvd-mm {example}')
                      for example in re.findall(r'^Example: (.*)$', text, flags=re.M)]
    return found


def all_commands() -> list[Command]:
    """Every command line, each of them once, under the name of the first place it stands at."""
    found = examples_of_help_texts()
    for page in PAGES:
        for block in blocks(page):
            if block.language == 'bash':
                found += commands_of_block(block)
        found += commands_in_lines(page)
    once: dict[tuple[str, str], Command] = {}
    for command in found:
        key = re.sub(r'\\\n\s*|\s+#.*$', ' ', command.text, flags=re.M)
        once.setdefault((' '.join(key.split()), command.settings), command)
    return list(once.values())


def all_snippets() -> list[Block]:
    """Every Python block."""
    return [block for page in PAGES for block in blocks(page) if block.language == 'python']
