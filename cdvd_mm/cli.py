"""The command ``cdvd-mm``: a sub-command is its options and one call.

``tools/*.py`` are the same commands from a checkout. Help texts come at once: the modules that
declare options (:mod:`cdvd_mm.options`) import nothing heavy, and the call is imported last.
"""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import os
import sys
from collections.abc import Callable, Sequence

from cdvd_mm.errors import WRONG_USAGE, guarded
from cdvd_mm.options import add_options, from_args, load
from cdvd_mm.version import __version__


@dataclasses.dataclass(frozen=True)
class Command:
    """A sub-command.

    Args:
        summary (str): What it does, for the list of all.
        options (tuple[str, ...]): ``module:Class`` of its dataclasses; the docstring of the first
            describes the command, those of the others head their group of options.
        call (str): ``module:function`` that takes one object of each of them and returns the exit
            code, or None for 0.
    """

    summary: str
    options: tuple[str, ...]
    call: str


COMMANDS = {
    'train': Command('train a model', ('cdvd_mm.engine.options:TrainOptions', ),
                     'cdvd_mm.engine.command:train'),
    'test': Command('restore the test frames and score them',
                    ('cdvd_mm.engine.options:TestOptions', ), 'cdvd_mm.engine.command:test'),
    'deblur': Command('restore a video or a folder of frames',
                      ('cdvd_mm.deblur.options:DeblurCommand',
                       'cdvd_mm.inference.options:InferenceOptions',
                       'cdvd_mm.deblur.options:DeblurOptions'), 'cdvd_mm.deblur.command:deblur'),
    'web': Command('serve a page on which videos are restored',
                   ('cdvd_mm.web.options:WebOptions',
                    'cdvd_mm.inference.options:InferenceOptions'), 'cdvd_mm.web.command:web'),
    'convert': Command('convert a published checkpoint',
                       ('cdvd_mm.converters.options:ConvertOptions', ),
                       'cdvd_mm.converters.command:convert'),
    'prepare': Command('check a dataset, write the store that trains fastest',
                       ('cdvd_mm.data_tools.options:PrepareOptions', ),
                       'cdvd_mm.data_tools.command:prepare'),
    'synthesise': Command('make pairs of blurred and sharp frames from sharp footage',
                          ('cdvd_mm.data_tools.options:SynthesiseOptions', ),
                          'cdvd_mm.data_tools.command:synthesise'),
    'demo-data': Command('make the data of the demo',
                         ('cdvd_mm.data_tools.options:DemoDataOptions',
                          'cdvd_mm.data_tools.options:DemoSettings'),
                         'cdvd_mm.data_tools.command:demo_data'),
    'evaluate': Command('score restored frames that any program wrote',
                   ('cdvd_mm.reports.options:EvaluateOptions', ),
                   'cdvd_mm.reports.command:evaluate'),
    'compare': Command('put models into one report',
                   ('cdvd_mm.reports.options:CompareOptions', ),
                   'cdvd_mm.reports.command:compare'),
    'compare-demo': Command('train all methods in small for the same time, compare them',
                   ('cdvd_mm.reports.options:CompareDemoOptions', ),
                   'cdvd_mm.reports.command:compare_demo'),
    'ablation': Command('train, test and tabulate configs on equal terms',
                   ('cdvd_mm.reports.options:AblationOptions', ),
                   'cdvd_mm.reports.command:ablation'),
    'plot-results': Command('draw scores over time, and the worst frames',
                   ('cdvd_mm.reports.options:PlotResultsOptions', ),
                   'cdvd_mm.reports.command:plot_results'),
    'plot-comparison': Command('draw restored frames beside blurred and sharp ones',
                   ('cdvd_mm.reports.options:PlotComparisonOptions', ),
                   'cdvd_mm.reports.command:plot_comparison'),
    'benchmark': Command('time restoration',
                   ('cdvd_mm.bench.options:BenchmarkOptions',
                    'cdvd_mm.bench.options:DeviceReportOptions'),
                   'cdvd_mm.bench.command:benchmark'),
    'benchmark-train': Command('measure training steps',
                   ('cdvd_mm.bench.options:TrainBenchmarkOptions', ),
                   'cdvd_mm.bench.command:benchmark_train'),
    'benchmark-loader': Command('measure how fast training samples come',
                   ('cdvd_mm.bench.options:LoaderBenchmarkOptions', ),
                   'cdvd_mm.bench.command:benchmark_loader'),
    'install': Command('install PyTorch, MMagic and the rest, at versions that work together',
                       ('cdvd_mm.install:InstallOptions', ), 'cdvd_mm.install:install'),
    'check-env': Command('show what is installed, try whether it works',
                         ('cdvd_mm.check_env:CheckEnvOptions', ), 'cdvd_mm.check_env:check_env'),
}


def make_parser(name: str, prog: str | None = None) -> argparse.ArgumentParser:
    """The parser of a sub-command; nothing but the modules of its options is imported.

    Args:
        name (str): A key of ``COMMANDS``.
        prog (str, optional): What to call the program. Default: ``cdvd-mm NAME``.
    """
    first, *others = map(load, COMMANDS[name].options)
    parser = argparse.ArgumentParser(prog=prog or f'cdvd-mm {name}',
                                     description=inspect.getdoc(first),
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser, first)
    for cls in others:
        title = (inspect.getdoc(cls) or '').splitlines()[0].rstrip('.')
        add_options(parser.add_argument_group(title), cls)
    parser.add_argument('--debug', action='store_true',
                        help='show where an error arose (also: environment variable CDVD_MM_DEBUG)')
    return parser


def run(name: str, argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Run a sub-command; whatever goes wrong ends in one line on stderr.

    Args:
        name (str): A key of ``COMMANDS``.
        argv (Sequence[str], optional): Its arguments. Default: those of the process.
        prog (str, optional): What to call the program.

    Returns:
        int: 0: done; 1: an error; 130: interrupted; 143: ended by SIGTERM; or what the command
        returns.
    """
    def call() -> int | None:
        args = make_parser(name, prog).parse_intermixed_args(argv)
        options = [from_args(args, load(cls)) for cls in COMMANDS[name].options]
        return load(COMMANDS[name].call)(*options)

    return guarded(call, '--debug' in (sys.argv[1:] if argv is None else argv))


def tool(name: str, *given: str) -> Callable[[Sequence[str] | None], int]:
    """The ``main`` of a file in tools/: a sub-command under the file's own name."""

    def main(argv: Sequence[str] | None = None) -> int:
        rest = sys.argv[1:] if argv is None else argv
        return run(name, [*given, *rest], os.path.basename(sys.argv[0]) if argv is None else None)

    return main


def main(argv: Sequence[str] | None = None) -> int:
    """``cdvd-mm``: the exit code of the sub-command, 2 for a wrong usage."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments and arguments[0] in COMMANDS:
        return run(arguments[0], arguments[1:])
    width = max(map(len, COMMANDS))
    parser = argparse.ArgumentParser(
        prog='cdvd-mm', usage='cdvd-mm COMMAND [options]', description='Video deblurring.',
        epilog='commands:\n' + '\n'.join(f'  {name:{width}}  {command.summary}'
                                         for name, command in COMMANDS.items())
        + "\n\n'cdvd-mm COMMAND --help' says more.",
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--version', action='version', version=f'cdvd-mm {__version__}')
    parser.add_argument('command', metavar='COMMAND', choices=COMMANDS, help='one of those below')
    parser.parse_args(arguments)
    return WRONG_USAGE  # not reached: parse_args ends the process
