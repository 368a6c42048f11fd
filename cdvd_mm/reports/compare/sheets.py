"""The table of a comparison for other programs: CSV and LaTeX."""

import csv
import io
import re

from .run import Comparison, Outcome

_FIGURES = {
    'parameters (M)': ('parameters', 1e6, 3), 'MACs (G)': ('macs', 1e9, 2),
    'ms per frame': ('ms_per_frame', 1, 1), 'peak memory (MB)': ('peak_memory', 2**20, 0)}
"""By heading: key of :attr:`Outcome.info`, its unit, digits."""

_DIGITS = dict(PSNR=2, SSIM=4, LPIPS=4)


def to_csv(comparison: Comparison) -> str:
    """A line a method: name, mean scores, figures of the network; empty where there is none."""
    lines = [['method', *comparison.metrics, *_FIGURES, 'frames', 'protocol', 'failed']]
    for outcome in comparison.outcomes:
        means = [outcome.mean(metric) for metric in comparison.metrics]
        lines.append([outcome.label, *('' if value is None else f'{value:.6g}' for value in means),
                      *(_figure(outcome, name) for name in _FIGURES), str(len(outcome.rows)),
                      comparison.protocol.name, outcome.error or ''])
    text = io.StringIO()
    csv.writer(text, lineterminator='\n').writerows(lines)
    return text.getvalue()


def to_latex(comparison: Comparison) -> str:
    """A ``tabular`` with the best mean of every score in bold, by what is printed."""
    heads = ['Method', *comparison.metrics, 'Parameters (M)', 'MACs (G)']
    rows = [outcome for outcome in comparison.outcomes if not outcome.error]
    lines = [f'% {comparison.num_frames} frames, protocol {comparison.protocol.name}',
             f'\\begin{{tabular}}{{l{"r" * (len(heads) - 1)}}}', '\\hline',
             f'{" & ".join(heads)} \\\\', '\\hline']
    best = {}
    for metric in comparison.metrics:
        values = [text for text in (_score(outcome, metric) for outcome in rows) if text]
        best[metric] = (min if metric == 'LPIPS' else max)(values, key=float, default='')
    for outcome in rows:
        cells = [_escaped(outcome.label)]
        for metric in comparison.metrics:
            text = _score(outcome, metric)
            cells.append(f'\\textbf{{{text}}}' if text and text == best[metric] else text or '--')
        cells += [_figure(outcome, name) or '--' for name in ('parameters (M)', 'MACs (G)')]
        lines.append(f'{" & ".join(cells)} \\\\')
    return '\n'.join([*lines, '\\hline', '\\end{tabular}', ''])


def _score(outcome: Outcome, metric: str) -> str:
    value = outcome.mean(metric)
    return '' if value is None else f'{value:.{_DIGITS[metric]}f}'


def _figure(outcome: Outcome, name: str) -> str:
    key, unit, digits = _FIGURES[name]
    return f'{outcome.info[key] / unit:.{digits}f}' if key in outcome.info else ''


def _escaped(text: str) -> str:
    return re.sub(r'([&%$#_{}])', r'\\\1', text)
