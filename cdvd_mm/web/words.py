"""What the page says, as HTML."""

from __future__ import annotations

import json
import secrets
from html import escape
from pathlib import Path
from urllib.parse import quote

from .jobs import CANCELLED, FAILED, RUNNING, Job
from .tasks import PICTURES_PER_SECOND, Found, Outcome
from .visits import Visit

_KINDS = {'subtitle': 'subtitles', 'cover': 'cover', 'attachment': 'attachment',
          'data': 'data stream', 'video': 'further video stream', 'chapter': 'chapters'}


def clock(seconds: float) -> str:
    """Seconds as people say them: '7.2 s', '42 s', '1:05 min', '1:02:03 h'."""
    if seconds < 59.5:
        return f'{seconds:.{"1" if seconds < 9.95 else "0"}f} s'
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f'{hours}:{minutes:02}:{rest:02} h' if hours else f'{minutes}:{rest:02} min'


def found(visit: Visit, what: Found) -> str:
    """A table of what an upload is."""
    rows = [('Picture', f'{what.width} × {what.height}')]
    if what.pictures:
        rows += [('Pictures', f'{what.num_frames}, in the order of their names')]
    else:
        rows += [('Length', f'{clock(what.seconds)}, {what.num_frames or "?"} frames, '
                  f'{what.rate:.4g} a second')]
        rows += [('Sound', ', '.join(what.sound) or 'none')]
        rows += [('Rotation', f'{what.rotation}°' if what.rotation else 'none')]
    rows += [('Colours', what.colours)]
    if what.others:
        rows += [('Also', ', '.join(f'{number} {_KINDS.get(kind, kind)}'
                                    for kind, number in what.others.items()))]
    cells = ''.join(f'<dt>{name}</dt><dd>{escape(value)}</dd>' for name, value in rows)
    return f'<h2>{escape(visit.name)}</h2><dl class="found">{cells}</dl>'


def estimate(seconds: float | None, preview: float | None) -> str:
    """How long it will take."""
    if seconds is None or preview is None:
        return '<p>How long it will take on this device is not known yet.</p>'
    return (f'<p>On this device it will take about <b>{clock(seconds)}</b>, the preview about '
            f'{clock(preview)}.</p>')


def progress(job: Job, ahead: int) -> str:
    """How far a job is."""
    if job.state != RUNNING:
        return f'<p role="status">In the queue. Jobs before yours: {ahead}.</p>'
    share, details = '', ''
    if job.expected:
        share = f' value="{job.done}" max="{job.expected}"'
        details = f': {job.done} of {job.expected} frames'
    if job.rate:
        details += f', {job.rate:.3g} frames/s'
    if job.seconds_left is not None:
        details += f', {clock(job.seconds_left)} left'
    phase = (job.phase or 'starting').capitalize()
    return (f'<p>{phase}{details}</p><progress aria-label="Progress"{share}></progress>')


def ended(visit: Visit, job: Job) -> str:
    """What came of a job that did not end well; '' of one that did."""
    if job.state == FAILED:
        return error(visit.plainly(job.error))
    if job.state == CANCELLED:
        return '<p role="status">Cancelled.</p>'
    return ''


def error(text: str) -> str:
    """A message of an error."""
    return f'<p role="alert" class="error">{escape(text)}</p>'


def outcome(visit: Visit, what: Outcome, preview: bool) -> str:
    """What came of a restoration, with the link to take it home."""
    speed = what.num_frames / max(what.seconds, 1e-6)
    text = (f'<p role="status">{"Preview" if preview else "Done"}: {what.num_frames} frames in '
            f'{clock(what.seconds)}, {speed:.3g} frames/s.</p>')
    if what.remarks:
        remarks = ''.join(f'<li>{escape(visit.plainly(remark))}</li>' for remark in what.remarks)
        text += f'<p>Not all is as it was:</p><ul>{remarks}</ul>'
    size = what.file.stat().st_size / 1e6
    name = f'{Path(visit.name).stem}_{"preview" if preview else "restored"}{what.file.suffix}'
    return (f'{text}<p><a class="download" href="{_link(visit, what.file.name)}?as={quote(name)}" '
            f'download>Download {escape(name)} ({size:.1f} MB)</a></p>')


def player(visit: Visit, what: Found, result: Outcome, start: float | None) -> str:
    """Before and after, from a time of the source on."""
    rate = PICTURES_PER_SECOND if what.pictures else what.rate
    stamp = secrets.token_hex(4)  # makes browsers forget what had the same name
    sees = ' sees' if result.sees else ''
    return (f'<cdvd-player before="{_link(visit, "before.mp4")}?{stamp}" '
            f'after="{_link(visit, "after.mp4")}?{stamp}" rate="{rate:.6g}" '
            f'start="{start or 0:g}"{sees}></cdvd-player>')


def overlays(visit: Visit, names: list[str]) -> str:
    """Pictures to be laid over the one that the player shows."""
    stamp = secrets.token_hex(4)
    links = {Path(name).stem: f'{_link(visit, name)}?{stamp}' for name in names}
    return f'<cdvd-overlays links="{escape(json.dumps(links))}"></cdvd-overlays>'


def drop(visit: Visit, max_bytes: float) -> str:
    """Where files are dropped."""
    return f'<cdvd-drop action="{_link(visit, "files")}" max-bytes="{max_bytes:.0f}"></cdvd-drop>'


def _link(visit: Visit, name: str) -> str:
    """Where a file of a visit is, seen from the page, wherever a proxy shows that."""
    return f'visit/{visit.key}/{name}'
