"""``cdvd-mm web``: the server from its start to its end."""

from __future__ import annotations

import os
import socket
import sys

from cdvd_mm.errors import terminable
from cdvd_mm.inference.options import InferenceOptions

from .options import WebOptions


def web(options: WebOptions, inference: InferenceOptions) -> int:
    """Serve the page until it is interrupted.

    Args:
        options (WebOptions): What is served, and where.
        inference (InferenceOptions): How networks are run.

    Returns:
        int: 0.

    Raises:
        ModuleNotFoundError: Gradio is not installed.
        OSError: The port is taken.
    """
    # before Gradio is imported, which reads them then
    os.environ.update(GRADIO_ANALYTICS_ENABLED='False', HF_HUB_OFFLINE='1',
                      HF_HUB_DISABLE_TELEMETRY='1')
    import gradio  # noqa: F401  (what is missing is said before anything else is done)
    import uvicorn

    from .desk import Desk
    from .page import make_page
    for model in options.models:
        if not os.path.isfile(str(model.checkpoint)):
            raise FileNotFoundError(f'weights of {model.name} not found: {model.checkpoint}')
    listener = _listen(options.host, options.port)
    desk = Desk(options, inference)
    os.environ['GRADIO_TEMP_DIR'] = str(desk.visits.root / 'gradio')
    try:
        app = make_page(desk)
        port = listener.getsockname()[1]
        sys.stdout.write(f'The page is at http://{options.host}:{port}{options.root_path}/ '
                         '(Ctrl-C ends it)\n')
        sys.stdout.flush()
        server = uvicorn.Server(uvicorn.Config(app, log_level='warning', access_log=False,
                                               timeout_graceful_shutdown=1,
                                               proxy_headers=True))
        with terminable():  # uvicorn ends in order, then sends itself the signal again
            server.run(sockets=[listener])
    except KeyboardInterrupt:
        pass
    finally:
        desk.close()
    return 0


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ':' in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise OSError(f'cannot listen at {host}:{port}: {error.strerror}; choose another --port '
                      'or --host') from error
    return listener
