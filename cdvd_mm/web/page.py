"""The page itself, on Gradio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import gradio as gr

from . import words
from .app import STATIC, make_app
from .desk import AS_UPLOADED, FORMATS, Desk, Wish
from .jobs import DONE, Job
from .visits import Visit

_POLL_SECONDS = 0.3
_FONTS = ('system-ui', 'sans-serif')
_CODE_FONTS = ('ui-monospace', 'monospace')
# How events of the page's own parts reach Python.
_ON_UPLOADED = "element.addEventListener('cdvd-uploaded', (e) => trigger('upload', e.detail))"
_ON_SEE = "element.addEventListener('cdvd-see', (e) => trigger('select', e.detail))"
_INTRODUCTION = """<h1>Deblur a video</h1>
<p>Drop a blurred video, see before and after, take the sharp one home. Everything is computed on
the machine that serves this page, and removed when the page is closed.</p>"""


def make_page(desk: Desk) -> Any:
    """The application (ASGI) with the page."""
    page = Page(desk)
    page.blocks.queue(default_concurrency_limit=None, api_open=False)
    return gr.mount_gradio_app(
        make_app(desk), page.blocks, '/', footer_links=[], show_error=True, ssr_mode=False,
        root_path=desk.options.root_path or None, enable_monitoring=False, mcp_server=False,
        theme=_theme(),
        css=(STATIC / 'page.css').read_text(encoding='utf-8'),
        head='<script src="static-cdvd/page.js"></script>')


class Page:
    """What is on the page, and what it asks of the desk.

    Args:
        desk (Desk): Does the work.

    Attributes:
        blocks (gr.Blocks): The page.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        names = list(desk.models)
        with gr.Blocks(title='Deblur a video', analytics_enabled=False) as self.blocks:
            gr.HTML(_INTRODUCTION)
            self._drop = gr.HTML(js_on_load=_ON_UPLOADED)
            self._found = gr.HTML()
            with gr.Group(visible=False) as self._settings:
                self._model = gr.Radio(names, value=names[0], label='Model',
                                       visible=len(names) > 1)
                with gr.Row():
                    self._start = gr.Textbox('', label='Part: from', placeholder='beginning',
                                             info='seconds or mm:ss', max_lines=1, min_width=120)
                    self._end = gr.Textbox('', label='Part: to', placeholder='end',
                                           info='seconds or mm:ss', max_lines=1, min_width=120)
                    self._format = gr.Dropdown(list(FORMATS), value=AS_UPLOADED, label='Format',
                                               info='of the file to take home', filterable=False,
                                               min_width=120)
            self._estimate = gr.HTML()
            with gr.Row(visible=False) as self._actions:
                self._preview = gr.Button('Preview of 2 seconds', min_width=120)
                self._run = gr.Button('Restore', variant='primary', min_width=120)
                self._cancel = gr.Button('Cancel', variant='stop', min_width=120,
                                         interactive=False)
            self._progress = gr.HTML()
            self._player = gr.HTML(js_on_load=_ON_SEE)
            self._overlays = gr.HTML()
            self._wire()

    def _wire(self) -> None:
        wish: Any = [self._model, self._start, self._end, self._format]
        results: Any = [self._progress, self._player, self._preview, self._run, self._cancel]
        plain: Any = dict(show_progress='hidden', api_visibility='private', concurrency_limit=None)
        self.blocks.load(self._open, None, self._drop, **plain)
        self.blocks.unload(self._leave)
        looked = self._drop.upload(self._look, wish, [
            self._found, self._estimate, self._settings, self._actions, *results], **plain)
        looked.then(self._guess, wish, self._estimate, **plain)
        for setting in wish[:3]:
            setting.change(self._guess, wish, self._estimate, trigger_mode='multiple', **plain)
        self._preview.click(self._restore_part, wish, results, **plain)
        self._run.click(self._restore_all, wish, results, **plain)
        self._cancel.click(self._stop, None, None, **plain)
        self._player.select(self._see, wish, [self._overlays, *results[2:]], **plain)

    def _open(self, request: gr.Request) -> str:
        return words.drop(self._visit(request), self._desk.options.max_megabytes * 1e6)

    def _leave(self, request: gr.Request) -> None:
        self._desk.leave(str(request.session_hash))

    def _visit(self, request: gr.Request) -> Visit:
        return self._desk.visits.open(str(request.session_hash))

    async def _look(self, model: str, start: str, end: str, format: str, event: gr.EventData,
                    request: gr.Request) -> AsyncIterator[Any]:
        visit, wish = self._visit(request), Wish(model, start, end, format)
        nothing = [gr.update()] * 3
        hidden = gr.update(visible=False)
        try:
            visit.end_upload(str(event.name))
            job = self._desk.look(visit)
        except (ValueError, OSError) as error:
            yield words.error(str(error)), '', hidden, hidden, '', '', *nothing
            return
        async for _ in self._following(job):
            yield '<p role="status">Looking at it …</p>', '', hidden, hidden, '', '', *nothing
        if visit.found is None:
            yield words.ended(visit, job), '', hidden, hidden, '', '', *nothing
            return
        shown = gr.update(visible=True)
        yield (words.found(visit, visit.found), self._estimate_of(visit, wish)[0], shown, shown,
               '', '', *_buttons(False))

    def _estimate_of(self, visit: Visit, wish: Wish) -> tuple[str, bool]:
        """How long it will take, and whether that is known (or never will be)."""
        if visit.found is None:
            return '', True
        try:
            seconds, preview = (self._desk.estimate(visit.found, wish, brief)
                                for brief in (False, True))
        except ValueError as error:
            return words.error(str(error)), True
        known = wish.model in self._desk.rates or not self._desk.waiting
        return words.estimate(seconds, preview), known

    async def _guess(self, model: str, start: str, end: str, format: str,
                     request: gr.Request) -> AsyncIterator[str]:
        visit, wish = self._visit(request), Wish(model, start, end, format)
        visit.guesses += 1
        this, known = visit.guesses, False
        while not known and visit.guesses == this:  # until the model has been measured
            text, known = self._estimate_of(visit, wish)
            yield text
            await asyncio.sleep(2 * _POLL_SECONDS)

    async def _restore_part(self, model: str, start: str, end: str, format: str,
                            request: gr.Request) -> AsyncIterator[Any]:
        async for update in self._restore(request, Wish(model, start, end, format), True):
            yield update

    async def _restore_all(self, model: str, start: str, end: str, format: str,
                           request: gr.Request) -> AsyncIterator[Any]:
        async for update in self._restore(request, Wish(model, start, end, format), False):
            yield update

    async def _restore(self, request: gr.Request, wish: Wish,
                       preview: bool) -> AsyncIterator[Any]:
        visit = self._visit(request)
        try:
            job = self._desk.restore(visit, wish, preview)
        except ValueError as error:
            yield words.error(str(error)), gr.update(), *[gr.update()] * 3
            return
        async for text in self._following(job):
            yield text, '', *_buttons(True)
        if job.state != DONE:
            yield words.ended(visit, job), gr.update(), *_buttons(False)
            return
        player = words.player(visit, visit.found, job.result, wish.part(preview)[0])
        yield words.outcome(visit, job.result, preview), player, *_buttons(False)

    async def _see(self, model: str, start: str, end: str, format: str, event: gr.EventData,
                   request: gr.Request) -> AsyncIterator[Any]:
        visit = self._visit(request)
        try:
            job = self._desk.see(visit, Wish(model, start, end, format), float(event.time))
        except ValueError as error:
            yield words.error(str(error)), *[gr.update()] * 3
            return
        async for text in self._following(job):
            yield text, *_buttons(True)
        if job.state != DONE:
            yield words.ended(visit, job), *_buttons(False)
            return
        yield words.overlays(visit, job.result), *_buttons(False)

    def _stop(self, request: gr.Request) -> None:
        self._desk.cancel(self._visit(request))

    async def _following(self, job: Job) -> AsyncIterator[str]:
        while not job.ended:
            yield words.progress(job, self._desk.ahead(job))
            await asyncio.sleep(_POLL_SECONDS)


def _theme() -> Any:
    """Gradio's plain theme with the fonts of the device, and grey that can be read."""
    grey = {f'{name}{suffix}': colour for suffix, colour in (('', '*neutral_600'),
                                                             ('_dark', '*neutral_300'))
            for name in ('body_text_color_subdued', 'block_info_text_color',
                         'block_label_text_color', 'block_title_text_color',
                         'input_placeholder_color')}
    return gr.themes.Base(font=_FONTS, font_mono=_CODE_FONTS).set(
        **grey, button_primary_background_fill='*primary_700',
        button_primary_background_fill_hover='*primary_800',
        button_primary_background_fill_dark='*primary_700',
        button_primary_background_fill_hover_dark='*primary_600')


def _buttons(busy: bool) -> list[Any]:
    """Preview, restore and cancel."""
    return [gr.update(interactive=enabled) for enabled in (not busy, not busy, busy)]
