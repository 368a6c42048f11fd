"""The rows of the report's table, as text; the same for Markdown and HTML."""

from cdvd_mm.evaluation.results import identical_in_words
from cdvd_mm.reports.model_zoo import find_published, scores_in_words

from .run import BLURRED, Comparison, Outcome

COLUMNS = ('method', 'PSNR (dB)', 'SSIM', 'LPIPS', 'published PSNR / SSIM', 'parameters (M)',
           'MACs per frame (G)', 'ms per frame', 'peak memory (MB)')


def columns(comparison: Comparison) -> list[str]:
    """Headings of the table."""
    return [name for name in COLUMNS if name != 'LPIPS' or 'LPIPS' in comparison.metrics]


def table_rows(comparison: Comparison) -> list[dict[str, str]]:
    """Cells by heading for every method; a failed one has ``failed`` instead of figures."""
    return [_row(comparison, outcome) for outcome in comparison.outcomes]


def published_of(outcome: Outcome) -> dict:
    """What the metafiles say about a model; empty for the blurred input and unknown configs."""
    return find_published(outcome.entry.config) if outcome.entry else {}


def _row(comparison: Comparison, outcome: Outcome) -> dict[str, str]:
    published = published_of(outcome)
    cells = {'method': outcome.label, 'published PSNR / SSIM': _scores(comparison, published)}
    if outcome.error:
        return {**cells, 'failed': outcome.error}
    for heading, metric, digits in (('PSNR (dB)', 'PSNR', 2), ('SSIM', 'SSIM', 4),
                                    ('LPIPS', 'LPIPS', 4)):
        value = outcome.mean(metric)
        cells[heading] = '-' if value is None else f'{value:.{digits}f}'
    info = outcome.info
    if outcome.label == BLURRED and not info:
        return {**cells, **dict.fromkeys(COLUMNS[5:], '-')}
    cells['parameters (M)'] = f'{info["parameters"] / 1e6:.3f}'
    if published.get('parameters') is not None:
        form = ', full form' if published['form'] else ''
        cells['parameters (M)'] += f' (published{form}: {published["parameters"] / 1e6:.2f})'
    cells['MACs per frame (G)'] = _macs(info, published)
    cells['ms per frame'] = (f'{info["ms_per_frame"]:.1f} '
                             f'({info["ms_min"]:.1f} to {info["ms_max"]:.1f})')
    cells['peak memory (MB)'] = f'{info["peak_memory"] / 2**20:.0f}'
    return cells


def _macs(info: dict, published: dict) -> str:
    own = f'{info["macs"] / 1e9:.1f}'
    if published.get('macs') is None:
        return own
    if published['form']:
        return f'{own} (published, full form: {published["macs"] / 1e9:.1f})'
    number = f'published: {published["macs"] / 1e9:.1f}'
    counted = info['macs_counted'].get(published['macs_counting'])
    if counted not in (None, info['macs']):
        number += f'; ours by its way of counting: {counted / 1e9:.1f}'
    return f'{own} ({number})'


def _scores(comparison: Comparison, published: dict) -> str:
    results = [result for result in published.get('results', ())
               if comparison.dataset in (None, result['dataset'])]
    if not results:
        return '-'
    form = 'full form, ' if published.get('form') else ''
    return form + '; '.join(f'{result["dataset"]}: {scores_in_words(result)}'
                            for result in results)


def sources(comparison: Comparison) -> list[str]:
    """Where the published numbers come from, each once."""
    found: dict[str, None] = {}
    for outcome in comparison.outcomes:
        published = published_of(outcome)
        for result in published.get('results', ()):
            found.setdefault(f'{published["name"]}: {result["source"]}', None)
    return list(found)


def explanations(comparison: Comparison) -> list[str]:
    """What the figures mean."""
    protocol = comparison.protocol
    timed = next((outcome.info for outcome in comparison.outcomes
                  if not outcome.error and outcome.info), None)
    lines = [f'Protocol {protocol.name}: {protocol.description}.']
    if timed:
        lines += [
            f'ms per frame: median (fastest to slowest) of {len(timed["ms_runs"])} runs after one '
            f'to warm up, one window or a clip of 5 frames of {timed["timed_on"][2]}x'
            f'{timed["timed_on"][1]} pixels at a time, on the device named above.',
            'MACs per frame: multiply-adds for a frame of 256x256, padding included; convolutions, '
            'deformable and filter-adaptive convolution, correlation and matrix products. Of '
            'models that go through whole videos: what a frame more costs. Published numbers are '
            'counted in several ways (docs/en/compare.md).',
            'Peak memory: of the same call, weights and frames included; allocated by PyTorch on a '
            'GPU, held by tensors on a CPU.']
    if comparison.dataset is None:
        lines.append('These are not the official DVD or GOPRO test videos: the scores here cannot '
                     'be compared with the published ones, which are shown for orientation.')
    lines += [f'{outcome.label}: {identical_in_words(outcome.num_identical)}.'
              for outcome in comparison.outcomes if outcome.num_identical]
    return lines + comparison.notes
