"""The server: the page, uploads, results; nothing that is loaded from another host."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import FileResponse, PlainTextResponse
from fastapi.staticfiles import StaticFiles

from .desk import Desk
from .visits import Visit, shown_name, stored_name

STATIC = Path(__file__).with_name('static')
_RESULT = re.compile(r'(restored|before|after|prior|flow)(\.[a-z0-9]{1,5})?')
_MOST_FILES = 5000
_SPARE_BYTES = 1 << 28
# Browsers refuse what is not from here, whatever a library's page asks for.
_POLICY = ("default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
           "style-src 'self' 'unsafe-inline'; frame-ancestors 'self'; form-action 'self'")
_HEADERS = [(b'content-security-policy', _POLICY.encode()), (b'referrer-policy', b'no-referrer'),
            (b'x-content-type-options', b'nosniff')]


class Guard:
    """Adds headers to every answer, and shuts the library's own way of uploading.

    Args:
        app (Any): What answers.
    """

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Answer (ASGI)."""
        async def guarded(message: dict[str, Any]) -> None:
            if message['type'] == 'http.response.start':
                message = {**message, 'headers': [*message.get('headers', []), *_HEADERS]}
            await send(message)

        if scope['type'] == 'http' and scope['path'].endswith('/gradio_api/upload'):
            await send({'type': 'http.response.start', 'status': 404, 'headers': []})
            await send({'type': 'http.response.body'})
            return
        await self._app(scope, receive, guarded if scope['type'] == 'http' else send)


def make_app(desk: Desk) -> Any:
    """The application (ASGI) without the page."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(Guard)

    def visit_of(key: str) -> Visit:
        visit = desk.visits.find(key)
        if visit is None:
            raise HTTPException(404, 'this page was closed: load it again')
        return visit

    async def upload(request: Request) -> PlainTextResponse:
        visit = visit_of(request.path_params['key'])
        index = request.path_params['index']
        try:
            await _take(visit, index, request.query_params.get('name', ''), request.stream(),
                        int(request.headers.get('content-length') or 0),
                        desk.options.max_megabytes)
        except ValueError as error:
            return PlainTextResponse(str(error), 413)
        return PlainTextResponse('')

    def result(key: str, name: str, request: Request) -> FileResponse:
        visit = visit_of(key)
        path = visit.folder / name
        if not _RESULT.fullmatch(path.stem + path.suffix) or not path.is_file():
            raise HTTPException(404, 'there is no such file')
        shown = request.query_params.get('as')
        return FileResponse(path, filename=shown_name(shown) if shown else None,
                            headers={'cache-control': 'no-store'})

    app.mount('/static-cdvd', StaticFiles(directory=STATIC))
    app.add_route('/visit/{key}/files/{index:int}', upload, methods=['POST'])
    app.add_api_route('/visit/{key}/{name}', result, response_model=None)
    return app


async def _take(visit: Visit, index: int, name: str, stream: Any, announced: int,
                max_megabytes: float) -> None:
    """Write an upload as it comes.

    Raises:
        ValueError: It is too large, or there are too many.
    """
    if visit.job is not None and not visit.job.ended:
        raise ValueError('this page is busy: wait, or cancel, then drop it again')
    if not 0 <= index < _MOST_FILES:
        raise ValueError(f'{_MOST_FILES} pictures at most are taken at once')
    folder = visit.begin_upload() if index == 0 else visit.folder / 'input'
    if not folder.is_dir():
        raise ValueError('drop it again: its beginning was not taken')
    before = sum(path.stat().st_size for path in folder.iterdir())
    limit = max_megabytes * 1e6
    too_large = f'this is larger than {max_megabytes:g} MB, the most that this page takes'
    if before + announced > limit:
        raise ValueError(too_large)
    if shutil.disk_usage(folder).free < announced + _SPARE_BYTES:
        raise ValueError('the disk of the server is too full for this: try again later')
    path = folder / stored_name(index, name)
    size = 0
    try:
        with open(path, 'wb') as file:
            async for block in stream:
                size += len(block)
                if before + size > limit:
                    raise ValueError(too_large)
                file.write(block)
    except BaseException:  # a page that is closed among them
        path.unlink(missing_ok=True)
        raise
