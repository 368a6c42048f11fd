"""The report as one HTML file that carries everything with it."""

import html
import math

from .pictures import SHARP, Example, data_uri
from .run import BLURRED, Comparison
from .table import columns, explanations, sources, table_rows

#: told apart by people who see few colours, too; the first one is the blurred input
PALETTE = ('#767676', '#0072b2', '#d55e00', '#009e73', '#cc79a7', '#8a6d00', '#56b4e9', '#5b3a8c',
           '#000000', '#e69f00', '#7f1d1d')

STYLE = """
:root { color-scheme: light; --line: #d4d8de; --soft: #f4f6f8; --ink: #1b2430; --faint: #5a6675; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 72rem; color: var(--ink); background: #fff;
  font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; margin: .5rem 0; } h2 { font-size: 1.25rem; margin: 2rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1.2rem 0 .4rem; }
p, li { max-width: 48rem; } .faint { color: var(--faint); font-size: .875rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .875rem; overflow-wrap: break-word; }
td { min-width: 4.5rem; } th[scope=row] { min-width: 8rem; }
th, td { padding: .45rem .6rem; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: top; font-variant-numeric: tabular-nums; }
thead th { background: var(--soft); }
tr.failed td { background: #fdf0ee; } tr.best th::after { content: " \\2605"; color: #b8860b; }
img, svg { display: block; width: 100%; height: auto; }
figure { margin: 0; } figcaption { font-size: .8rem; color: var(--faint); padding-top: .2rem; }
.grid { display: grid; gap: .75rem; grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)); }
.wide { grid-template-columns: repeat(auto-fill, minmax(min(20rem, 100%), 1fr)); }
.crop img { image-rendering: pixelated; border: 1px solid var(--line); }
.slider { position: relative; max-width: 60rem; border: 1px solid var(--line); }
.slider .top { position: absolute; inset: 0; clip-path: inset(0 calc(100% - var(--at)) 0 0); }
.slider .top img { height: 100%; }
.slider .edge { position: absolute; top: 0; bottom: 0; left: var(--at); width: 2px;
  background: #fff; box-shadow: 0 0 3px #000; pointer-events: none; }
.slider input { position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; opacity: 0;
  cursor: ew-resize; touch-action: pan-y; }
.slider:focus-within { outline: 3px solid #0072b2; outline-offset: 2px; }
.slider .tag { position: absolute; bottom: .4rem; padding: .1rem .5rem; color: #fff;
  background: rgba(0, 0, 0, .65); font-size: .8rem; pointer-events: none; max-width: 48%; }
.slider .tag.left { left: .4rem; } .slider .tag.right { right: .4rem; }
.choose { display: flex; flex-wrap: wrap; gap: .5rem 1rem; margin: .4rem 0; font-size: .9rem; }
.choose label { display: flex; gap: .4rem; align-items: center; min-width: 0; max-width: 100%; }
select { font: inherit; max-width: 100%; min-width: 0; padding: .15rem; }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1rem; padding: 0; list-style: none;
  font-size: .85rem; }
.legend span { display: inline-block; width: 1.4rem; border-top: 3px solid; margin-right: .4rem;
  vertical-align: middle; }
.legend .dashed { border-top-style: dashed; }
@media (max-width: 46rem) {
  thead { display: none; }
  table, tbody, tr, th, td { display: block; width: 100%; }
  tr { border: 1px solid var(--line); margin-bottom: .75rem; }
  tbody th { background: var(--soft); }
  td { display: grid; grid-template-columns: minmax(0, 9rem) minmax(0, 1fr); gap: .5rem; }
  td::before { content: attr(data-label); color: var(--faint); }
}
"""

SCRIPT = """
for (const block of document.querySelectorAll('.compare')) {
  const slider = block.querySelector('.slider'), range = slider.querySelector('input');
  const move = () => {
    slider.style.setProperty('--at', range.value + '%');
    range.setAttribute('aria-valuetext', range.value + ' percent ' +
                       slider.querySelector('.left').textContent);
  };
  for (const side of ['left', 'right']) {
    const choice = block.querySelector('select.' + side);
    const show = () => {
      const source = block.querySelectorAll('.store img')[choice.selectedIndex];
      const image = slider.querySelector('img.' + side);
      image.src = source.src;
      image.alt = source.alt;
      slider.querySelector('.tag.' + side).textContent = choice.value;
      move();
    };
    choice.addEventListener('change', show);
    show();
  }
  range.addEventListener('input', move);
}
"""


def make_page(comparison: Comparison, title: str, device: str, examples: list[Example],
              crops: list[Example], cascades: list[tuple[str, Example]]) -> str:
    """Write the page.

    Args:
        comparison (Comparison): The results.
        title (str): Heading.
        device (str): What it ran on, in words.
        examples (list[Example]): Frames for the sliders.
        crops (list[Example]): Places where the methods differ most.
        cascades (list[tuple[str, Example]]): Label of a model and its flow
            and prior.

    Returns:
        str: HTML without references to other files.
    """
    text = html.escape
    frames = comparison.num_frames
    parts = [
        f'<h1>{text(title)}</h1>',
        f'<p>{frames} frames of {len(comparison.videos)} video(s) in '
        f'<code>{text(comparison.data_root)}</code>, on {text(device)}.</p>',
        _table(comparison),
        '<ul class="faint">', *(f'<li>{text(line)}</li>' for line in explanations(comparison)),
        *(f'<li>Published: {text(line)}</li>' for line in sources(comparison)), '</ul>']
    if examples:
        parts += ['<h2>Before and after</h2>',
                  '<p>Drag the edge, or focus a picture with the Tab key and move it with the '
                  'arrow keys, Home and End.</p>', *map(_slider, examples)]
    parts += ['<h2>PSNR over time</h2>', _legend(comparison), *_plots(comparison)]
    if crops:
        parts += ['<h2>Where the methods differ most</h2>',
                  '<p>The places with the largest spread over the methods; PSNR is that of the '
                  'whole frame.</p>', *map(_crops, crops)]
    for label, example in cascades:
        flow = ('hue is the direction of the flow' if any('flow' in name for name
                                                          in example.pictures)
                else 'this form of the network estimates no flow')
        parts.append(f'<h2>Flow and sharpness prior of {text(label)}</h2>'
                     f'<p class="faint">First stage, frame {text(example.key)}; {flow}.</p>'
                     + _figures(example, 'wide', lossless=False))
    body = '\n'.join(parts)
    return (f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f'<link rel="icon" href="data:,">\n<title>{text(title)}</title>\n'
            f'<style>{STYLE}</style>\n</head>\n<body>\n{body}\n'
            f'<script>{SCRIPT}</script>\n</body>\n</html>\n')


def _table(comparison: Comparison) -> str:
    names = columns(comparison)
    rows = table_rows(comparison)
    means = {outcome.label: mean for outcome in comparison.outcomes
             if not outcome.error and (mean := outcome.mean('PSNR')) is not None}
    best = max(means, key=lambda label: means[label]) if means else None
    lines = ['<div class="scroll"><table><thead><tr>',
             *(f'<th scope="col">{html.escape(name)}</th>' for name in names),
             '</tr></thead><tbody>']
    for row in rows:
        kind = ' class="best"' if row['method'] == best else ''
        kind = ' class="failed"' if 'failed' in row else kind
        lines.append(f'<tr{kind}><th scope="row">{html.escape(row["method"])}</th>')
        if 'failed' in row:
            lines.append(f'<td colspan="{len(names) - 1}" data-label="failed">'
                         f'<span>failed: {html.escape(row["failed"])}</span></td>')
        else:
            lines += [f'<td data-label="{html.escape(name)}"><span>{html.escape(row[name])}</span>'
                      '</td>' for name in names[1:]]
        lines.append('</tr>')
    return '\n'.join([*lines, '</tbody></table></div>'])


def _slider(example: Example) -> str:
    labels = list(example.pictures)
    methods = [label for label in labels if label not in (BLURRED, SHARP)]
    best = max(methods, key=lambda label: example.scores.get(label, -math.inf)) \
        if methods else SHARP
    named = {label: f'{label} ({example.scores[label]:.2f} dB)' if label in example.scores
             else label for label in labels}

    def select(side: str, chosen: str) -> str:
        options = ''.join(f'<option{" selected" if label == chosen else ""}>'
                          f'{html.escape(named[label])}</option>' for label in labels)
        return f'<label>{side} <select class="{side}">{options}</select></label>'

    height, width = example.pictures[BLURRED].shape[:2]
    size = f'width="{width}" height="{height}"'
    uris = {label: data_uri(picture) for label, picture in example.pictures.items()}
    store = ''.join(f'<img src="{uris[label]}" alt="{html.escape(label)}" {size}>'
                    for label in labels)
    return (f'<section class="compare"><h3>{html.escape(example.key)}</h3>'
            f'<div class="choose">{select("left", BLURRED)}{select("right", best)}</div>'
            f'<div class="slider" style="--at:50%">'
            f'<img class="right" src="{uris[best]}" alt="" {size}>'
            f'<div class="top"><img class="left" src="{uris[BLURRED]}" alt="" {size}></div>'
            '<div class="edge"></div><span class="tag left"></span><span class="tag right"></span>'
            f'<input type="range" min="0" max="100" step="1" value="50" '
            f'aria-label="position of the edge between two versions of {html.escape(example.key)}">'
            f'</div><div class="store" hidden>{store}</div></section>')


def _crops(example: Example) -> str:
    top, left, height, width = example.box or (0, 0, 0, 0)
    return (f'<h3>{html.escape(example.key)}, {width}x{height} pixels at x = {left}, y = {top}</h3>'
            + _figures(example, 'crop', lossless=True))


def _figures(example: Example, kind: str, lossless: bool) -> str:
    figures = []
    for label, picture in example.pictures.items():
        score = f', {example.scores[label]:.2f} dB' if label in example.scores else ''
        height, width = picture.shape[:2]
        figures.append(
            f'<figure><img src="{data_uri(picture, lossless)}" alt="{html.escape(label)}" '
            f'width="{width}" height="{height}"><figcaption>{html.escape(label)}{score}'
            '</figcaption></figure>')
    return f'<div class="grid {kind}">{"".join(figures)}</div>'


def _colours(comparison: Comparison) -> dict[str, str]:
    labels = [outcome.label for outcome in comparison.outcomes if not outcome.error]
    return {label: PALETTE[0] if label == BLURRED else PALETTE[1 + (i - 1) % (len(PALETTE) - 1)]
            for i, label in enumerate(labels)}


def _legend(comparison: Comparison) -> str:
    items = ''.join(
        f'<li><span class="{"dashed" if label == BLURRED else ""}" style="border-color:{colour}">'
        f'</span>{html.escape(label)}</li>' for label, colour in _colours(comparison).items())
    return f'<ul class="legend">{items}</ul>'


def _plots(comparison: Comparison) -> list[str]:
    plots = []
    for name, _ in comparison.videos:
        lines = {}
        for outcome in comparison.outcomes:
            points = [(row['frame_index'], row['PSNR']) for row in outcome.rows
                      if row['video'] == name and math.isfinite(row.get('PSNR', math.inf))]
            if points and not outcome.error:
                lines[outcome.label] = points
        if lines:
            plots.append(f'<figure><figcaption>{html.escape(name)}</figcaption>'
                         f'{_plot(name, lines, _colours(comparison))}</figure>')
    return [f'<div class="grid wide">{"".join(plots)}</div>']


def _plot(name: str, lines: dict[str, list[tuple[int, float]]], colours: dict[str, str]) -> str:
    """Draw PSNR against the frame's number as SVG."""
    width, height, left, bottom = 480, 240, 40, 30
    xs = [x for points in lines.values() for x, _ in points]
    ys = [y for points in lines.values() for _, y in points]
    x0, x1 = min(xs), max(max(xs), min(xs) + 1)
    step = max(1, math.ceil((max(ys) - min(ys)) / 5))
    y0 = math.floor(min(ys) / step) * step
    y1 = max(math.ceil(max(ys) / step) * step, y0 + step)

    def at(x: float, y: float) -> tuple[float, float]:
        return (left + (x - x0) / (x1 - x0) * (width - left - 10),
                height - bottom - (y - y0) / (y1 - y0) * (height - bottom - 10))

    parts = [f'<svg viewBox="0 0 {width} {height}" role="img" '
             f'aria-label="PSNR over time, {html.escape(name)}" font-size="11" '
             'font-family="system-ui, sans-serif" fill="#5a6675">']
    for tick in range(y0, y1 + 1, step):
        y = at(x0, tick)[1]
        parts.append(f'<line x1="{left}" y1="{y:.1f}" x2="{width - 10}" y2="{y:.1f}" '
                     f'stroke="#e3e7ec"/><text x="{left - 6}" y="{y + 4:.1f}" '
                     f'text-anchor="end">{tick}</text>')
    for tick in sorted({x0, (x0 + x1) // 2, x1}):
        parts.append(f'<text x="{at(tick, y0)[0]:.1f}" y="{height - bottom + 15}" '
                     f'text-anchor="middle">{tick}</text>')
    parts.append(f'<text x="{(width + left) / 2}" y="{height - 2}" text-anchor="middle">frame'
                 '</text><text x="2" y="10">dB</text>')
    for label, points in lines.items():
        places = [at(x, y) for x, y in points]
        dash = ' stroke-dasharray="5 3"' if label == BLURRED else ''
        path = ' '.join(f'{x:.1f},{y:.1f}' for x, y in places)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colours[label]}" '
                     f'stroke-width="1.8"{dash}/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{2.5 if len(places) < 40 else 1.2}" '
                  f'fill="{colours[label]}"><title>{html.escape(label)}, frame {frame}: '
                  f'{value:.2f} dB</title></circle>'
                  for (x, y), (frame, value) in zip(places, points)]
    return ''.join(parts) + '</svg>'
