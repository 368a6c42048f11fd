"""A server with the page, and a browser that looks at it."""

from __future__ import annotations

import shutil

import pytest
from web_server import Server

TINY = """
default_scope = 'cdvd_mm'
model = dict(
    type='CascadedRestorer',
    generator=dict(type='CDVDNet', mid_channels=4, num_blocks=1, num_stages=1, num_frames=3,
                   flow_estimator=None, predict_residual=True),
    pixel_loss=dict(type='L1Loss'))
"""


@pytest.fixture(scope='session')
def server(tmp_path_factory):
    """The server, with the model that ships and a tiny one that has a sharpness prior."""
    pytest.importorskip('gradio')
    import torch

    from cdvd_mm.inference.model import init_model
    folder = tmp_path_factory.mktemp('server')
    (folder / 'tiny.py').write_text(TINY)
    net = init_model(str(folder / 'tiny.py'), device='cpu')
    torch.save({'state_dict': net.state_dict()}, folder / 'tiny.pth')
    started = Server(folder, 'tiny=tiny.py:tiny.pth', '--max-megabytes', '5', '--max-seconds', '60')
    yield started
    started.stop()


@pytest.fixture(scope='session')
def browser():
    """Chromium without a window."""
    webdriver = pytest.importorskip('selenium.webdriver')
    program, driver = (shutil.which(name) for name in ('chromium', 'chromedriver'))
    if program is None or driver is None:
        pytest.skip('needs the programs chromium and chromedriver (Debian: chromium-driver)')
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in ('headless=new', 'no-sandbox', 'disable-dev-shm-usage', 'disable-gpu',
                     'disable-background-networking', 'window-size=1280,1000'):
        options.add_argument(f'--{argument}')
    options.set_capability('goog:loggingPrefs', {'performance': 'ALL', 'browser': 'ALL'})
    opened = webdriver.Chrome(options, webdriver.ChromeService(driver))
    yield opened
    opened.quit()
