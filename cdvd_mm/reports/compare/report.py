"""A comparison written down: report.json, .csv, .tex, .md, .html."""

import json
import os

import numpy as np
from mmengine.dist import barrier, is_main_process
from mmengine.logging import print_log

from cdvd_mm.datasets.frame_files import write_frame
from cdvd_mm.evaluation.ledger import to_json
from cdvd_mm.evaluation.results import mean, versions
from cdvd_mm.files import write_atomically
from cdvd_mm.reports.options import CompareOptions
from cdvd_mm.system import device_name

from .page import make_page
from .pictures import Example, explain_cascade, find_crops, find_examples
from .run import Comparison, run_comparison
from .sheets import to_csv, to_latex
from .table import columns, explanations, published_of, sources, table_rows

TITLE = 'Video deblurring methods beside each other'


def compare(options: CompareOptions) -> Comparison:
    """Run a comparison and write its report.

    Args:
        options (CompareOptions): What to compare; its ``out`` gets ``report.md``,
            ``report.html``, ``report.json``, ``report.csv``, ``report.tex``, ``images/`` and
            ``models/``.

    Returns:
        Comparison: The results; those of failed models say why.

    Raises:
        FileNotFoundError, ValueError: See :func:`run_comparison`.
    """
    comparison = run_comparison(options)
    if is_main_process():
        write_report(comparison, options.out, options.device)
    barrier()  # a process that is through must not end the others
    return comparison


def write_report(comparison: Comparison, out_dir: str, device: str) -> None:
    """Write the files.

    Args:
        comparison (Comparison): The results.
        out_dir (str): Where to.
        device (str): Where flow and prior of cascades are computed.
    """
    examples, crops = [], []
    if not comparison.outcomes[0].error:
        examples, crops = find_examples(comparison), find_crops(comparison)
    cascades = []
    for outcome in comparison.outcomes:
        try:
            example = explain_cascade(comparison, outcome, device) if examples else None
        except (RuntimeError, ValueError, OSError) as error:
            print_log(f'no flow and prior of {outcome.label}: {error}', logger='current')
            continue
        if example is not None:
            cascades.append((outcome.label, example))
    where = device_name(next((o.info['device'] for o in comparison.outcomes if o.info), 'cpu'))
    os.makedirs(out_dir, exist_ok=True)
    write_atomically(os.path.join(out_dir, 'report.json'), _json(comparison, where))
    write_atomically(os.path.join(out_dir, 'report.csv'), to_csv(comparison))
    write_atomically(os.path.join(out_dir, 'report.tex'), to_latex(comparison))
    write_atomically(os.path.join(out_dir, 'report.html'),
                     make_page(comparison, TITLE, where, examples, crops, cascades))
    write_atomically(os.path.join(out_dir, 'report.md'),
                     _markdown(comparison, where, out_dir, crops, cascades))


def _json(comparison: Comparison, device: str) -> str:
    models = []
    for outcome in comparison.outcomes:
        entry = outcome.entry
        models.append({
            'label': outcome.label,
            'config': entry.config if entry else None,
            'checkpoint': entry.checkpoint if entry else None,
            'failed': outcome.error,
            'scores': {name: outcome.mean(name) for name in comparison.metrics
                       if outcome.mean(name) is not None},
            'identical': outcome.num_identical,
            'published': published_of(outcome),
            **{key: value for key, value in outcome.info.items() if key != 'signature'},
            'frames': outcome.rows,
        })
    report = {'data': comparison.data_root, 'dataset': comparison.dataset,
              'protocol': comparison.protocol.as_dict(), 'device': device,
              'versions': versions(), 'notes': comparison.notes,
              'num_frames': comparison.num_frames,
              'videos': {name: len(video) for name, video in comparison.videos},
              'models': models}
    return json.dumps(to_json(report), indent=1) + '\n'


def _markdown(comparison: Comparison, device: str, out_dir: str, crops: list[Example],
              cascades: list[tuple[str, Example]]) -> str:
    names = columns(comparison)
    lines = [f'# {TITLE}', '',
             f'{comparison.num_frames} frames of {len(comparison.videos)} video(s) in '
             f'`{comparison.data_root}`, on {device}. `report.html` has sliders and plots.', '',
             f'| {" | ".join(names)} |', '|' + '---|' * len(names)]
    for row in table_rows(comparison):
        cells = [row.get(name, '') for name in names]
        if 'failed' in row:
            reason = ' '.join(row['failed'].split()).replace('|', '\\|')
            cells[1] = f'failed: {reason}'
        lines.append(f'| {" | ".join(cells)} |')
    lines += ['', *(f'* {line}' for line in explanations(comparison)),
              *(f'* Published: {line}' for line in sources(comparison)), '']
    lines += ['## Mean PSNR of each video (dB)', '']
    outcomes = [outcome for outcome in comparison.outcomes if not outcome.error]
    lines += [f'| video | {" | ".join(outcome.label for outcome in outcomes)} |',
              '|---|' + '---|' * len(outcomes)]
    for name, _ in comparison.videos:
        means = [[row['PSNR'] for row in outcome.rows if row['video'] == name and 'PSNR' in row]
                 for outcome in outcomes]
        cells = [f'{mean(values):.2f}' if values else '-' for values in means]
        lines.append(f'| {name} | {" | ".join(cells)} |')
    images = os.path.join(out_dir, 'images')
    os.makedirs(images, exist_ok=True)
    if crops:
        lines += ['', '## Where the methods differ most', '']
    for number, crop in enumerate(crops, 1):
        name = f'crop_{number}.png'
        write_frame(os.path.join(images, name), _strip(list(crop.pictures.values())))
        lines += [f'{crop.key}: {", ".join(crop.pictures)} (left to right)', '',
                  f'![{crop.key}](images/{name})', '']
    for label, example in cascades:
        name = f'cascade_{label}.png'
        write_frame(os.path.join(images, name), _strip(list(example.pictures.values())))
        lines += ['', f'## Flow and sharpness prior of {label}', '',
                  f'{example.key}: {", ".join(example.pictures)} (left to right)', '',
                  f'![{label}](images/{name})', '']
    return '\n'.join(lines).rstrip() + '\n'


def _strip(pictures: list[np.ndarray]) -> np.ndarray:
    """Put pictures of one height side by side with a white gap."""
    gap = np.full((pictures[0].shape[0], 4, 3), 255, np.uint8)
    parts = []
    for picture in pictures:
        parts += [picture, gap]
    return np.ascontiguousarray(np.concatenate(parts[:-1], axis=1))
