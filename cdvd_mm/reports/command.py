"""The commands that compare, tabulate and draw: what they say when they are done."""

from __future__ import annotations

import sys

from mmengine.dist import is_main_process

from .options import (
    AblationOptions,
    CompareDemoOptions,
    CompareOptions,
    EvaluateOptions,
    PlotComparisonOptions,
    PlotResultsOptions,
)


def compare(options: CompareOptions) -> int:
    """Compare; 1 where a model failed."""
    from .compare.report import compare
    comparison = compare(options)
    return _say_comparison(comparison.failures, options.out) if is_main_process() else 0


def compare_demo(options: CompareDemoOptions) -> int:
    """Train and compare; 1 where a model failed."""
    from .compare.demo import compare_demo
    return _say_comparison(compare_demo(options).failures, options.out)


def _say_comparison(failures: list[str], out: str) -> int:
    sys.stderr.write(''.join(f'{failure}\n' for failure in failures))
    sys.stdout.write(f'{out}/report.html\n')
    return 1 if failures else 0


def ablation(options: AblationOptions) -> None:
    """Train, test, and print the table."""
    from .ablation import find_rows, run_ablation, to_markdown
    table = run_ablation(find_rows(options.configs), options.out, options.data, options.seeds,
                         options.cfg_options, options.iters, options.repeat, options.seconds)
    sys.stdout.write(to_markdown(table))


def evaluate(options: EvaluateOptions) -> None:
    """Score, and print the means."""
    from cdvd_mm.evaluation.evaluate_frames import evaluate_frames
    from cdvd_mm.evaluation.results import identical_in_words
    summary = evaluate_frames(options.pred, options.gt, options.protocol, options.metrics,
                              options.out, options.workers)
    lines = [f'{name}: ' + ', '.join(f'{k} {v:.4f}' for k, v in video.items() if k.isupper())
             + f' ({video["num_frames"]} frames)' for name, video in summary['videos'].items()]
    lines.append(f'protocol {options.protocol}, mean over {summary["num_frames"]} frames: '
                 + ', '.join(f'{k} {v:.4f}' for k, v in summary['overall'].items()))
    if summary['identical']:
        lines.append(identical_in_words(summary['identical']))
    sys.stdout.write('\n'.join(lines) + '\n')


def plot_results(options: PlotResultsOptions) -> None:
    """Draw, and name the pictures."""
    from .plots import plot_results
    written = plot_results(options.reports, options.out, options.metric, options.worst,
                           options.labels)
    sys.stdout.write('\n'.join(written) + '\n')


def plot_comparison(options: PlotComparisonOptions) -> None:
    """Draw, and print the mean PSNRs."""
    from .examples import plot_comparison
    result = plot_comparison(options.config, options.checkpoint, options.out_dir,
                             options.examples, options.device, options.cfg_options,
                             options.shipped)
    means = {'blurred': result.psnr_blurred, 'restored': result.psnr_restored,
             'CDVD-lite': result.psnr_shipped}
    for name, psnr in means.items():
        if psnr is not None:
            sys.stdout.write(f'{name:10} {psnr:.2f} dB ({psnr - result.psnr_blurred:+.2f} dB)\n')
    sys.stdout.write(f'mean PSNR of {result.num_frames} frames\n'
                     f'restored frames: {result.frames}\npicture: {result.figure}\n')
