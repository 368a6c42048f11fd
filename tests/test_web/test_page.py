"""A browser goes through the page."""

from __future__ import annotations

import json
import re
import urllib.request
from fractions import Fraction
from urllib.parse import urlsplit

import pytest
from video_files import images, make_video, moving_picture, needs_ffmpeg, packets, probe
from web_server import until

RATE = Fraction(10)


class Page:
    """A tab with the page."""

    def __init__(self, browser, server, new=False):
        self.browser = browser
        if new:
            browser.switch_to.new_window('tab')
        self.tab = browser.current_window_handle
        browser.get(server.address)
        until(lambda: self.part('cdvd-drop', 'input'), 'the page')

    def find(self, selector):
        return self.browser.find_elements('css selector', selector)

    def part(self, host, selector):
        """An element in one of the page's own parts."""
        hosts = self.find(host)
        return hosts[0].shadow_root.find_element('css selector', selector) if hosts else None

    def button(self, text):
        return next((found for found in self.find('button') if found.text.startswith(text)), None)

    def press(self, text):
        until(lambda: (found := self.button(text)) and found.is_enabled(), f'{text} to be enabled')
        self.button(text).click()

    def text(self):
        return self.find('body')[0].text

    def waits_for(self, pattern):
        return until(lambda: re.search(pattern, self.text()), f'{pattern} in {self.text()}')

    def drops(self, *paths):
        self.part('cdvd-drop', 'input').send_keys('\n'.join(map(str, paths)))

    def split(self):
        return float(self.browser.execute_script(
            "return document.querySelector('cdvd-player').stage.style.getPropertyValue('--split')"
        ).rstrip('%'))

    def player(self, code):
        return self.browser.execute_script(
            f"const player = document.querySelector('cdvd-player'); return {code}")


@pytest.fixture
def page(browser, server):
    return Page(browser, server)


@pytest.fixture(scope='module')
def film(tmp_path_factory):
    return make_video(tmp_path_factory.mktemp('film') / 'a walk.mp4', 30, (96, 64), RATE,
                      audio=True)


@pytest.fixture(scope='module')
def long_film(tmp_path_factory):
    return make_video(tmp_path_factory.mktemp('film') / 'long.mp4', 500, (320, 240), RATE)


def get(link):
    with urllib.request.urlopen(link) as answer:
        return answer.read(), answer.headers


@needs_ffmpeg
def test_a_film_goes_through(page, film, server, tmp_path):
    page.drops(film)
    found = page.waits_for(r'a walk\.mp4[\s\S]*Rotation').group()
    assert '96 × 64' in found and '3.0 s, 30 frames, 10 a second' in found and 'aac' in found
    page.waits_for(r'about [\d.]+ s, the preview about [\d.]+ s')
    page.press('Preview')
    page.waits_for('Preview: 20 frames')  # two seconds
    until(lambda: page.player('player.after.readyState >= 3 && player.before.readyState >= 3'),
          'both films')
    page.press('Restore')
    page.waits_for('Done: 30 frames')
    link = page.find('a.download')[0].get_attribute('href')
    data, headers = get(link)
    assert 'walk_restored.mp4' in headers['content-disposition']
    (tmp_path / 'result.mp4').write_bytes(data)
    streams = probe(tmp_path / 'result.mp4')['streams']
    assert [stream['codec_type'] for stream in streams] == ['video', 'audio']
    assert packets(tmp_path / 'result.mp4', 'audio') == packets(film, 'audio')
    assert len(images(tmp_path / 'result.mp4')) == 30


def test_slider_and_steps(page, film):
    from selenium.webdriver import ActionChains, Keys
    page.drops(film)
    page.press('Preview')
    page.waits_for('Preview: 20 frames')
    slider = until(lambda: page.part('cdvd-player', '.split'), 'the slider')
    slider.send_keys(Keys.END)
    assert page.split() == 100
    slider.send_keys(Keys.ARROW_LEFT)
    assert page.split() == 99
    page.browser.execute_script('arguments[0].scrollIntoView({block: "center"})', slider)
    ActionChains(page.browser).move_to_element_with_offset(
        slider, -slider.size['width'] // 4, 0).click().perform()
    assert 20 < page.split() < 30
    until(lambda: page.player('player.after.readyState >= 2'), 'a frame')
    forth = page.part('cdvd-player', '.forth')
    for _ in range(3):
        forth.send_keys(Keys.ENTER)
    times = page.player('[player.after.currentTime, player.before.currentTime]')
    assert times[0] == times[1] == pytest.approx(0.35, abs=0.01)  # in the fourth frame
    page.part('cdvd-player', 'input[value=pair]').send_keys(Keys.SPACE)
    left, right = (page.part('cdvd-player', f'.of-{name} video').rect
                   for name in ('before', 'after'))
    assert left['x'] + left['width'] <= right['x'] + 1 and left['y'] == right['y']
    assert not page.find('cdvd-player[sees]')  # the network that ships has neither prior nor flow


def test_what_the_network_saw(page, film, server):
    page.drops(film)
    page.waits_for('Rotation')
    next(label for label in page.find('label') if label.text == 'tiny').click()
    page.press('Preview')
    page.waits_for('Preview: 20 frames')
    until(lambda: page.part('cdvd-player', '.see'), 'the player').click()
    until(lambda: page.part('cdvd-player', 'select').is_displayed(), 'the overlay')
    names = [option.text for option in page.part('cdvd-player', 'select').find_elements(
        'css selector', 'option')]
    assert names == ['Sharpness prior', 'None']
    until(lambda: page.player('player.overlay.naturalWidth') == 96, 'the picture')


def test_cancel_queue_and_a_page_that_is_closed(page, long_film, film, server):
    page.drops(long_film)
    page.press('Restore')
    page.waits_for('Restoring')
    other = Page(page.browser, server, new=True)
    other.drops(film)
    other.press('Preview')
    other.waits_for('Jobs before yours: 1')
    other.browser.switch_to.window(page.tab)
    page.press('Cancel')
    page.waits_for('Cancelled')
    page.browser.switch_to.window(other.tab)
    other.waits_for('Preview: 20 frames')
    other.drops(long_film)
    other.waits_for('long.mp4')
    other.press('Restore')
    other.waits_for('Restoring')
    other.browser.close()
    page.browser.switch_to.window(page.tab)
    page.press('Preview')  # comes although the job of the closed page was long
    page.waits_for('Preview: 20 frames')
    page.browser.get('about:blank')
    until(lambda: not server.files(), 'the files to go')


@pytest.mark.parametrize('name, content, message', [
    ('notes.mp4', b'#EXTM3U\nother.mp4\n', 'notes.mp4 is a text: expected a video or pictures'),
    ('cut.mp4', b'\0\0\0\x18ftypisom\0\0\2\0isommp42', 'cut.mp4 is not a video'),
    ('empty.mp4', b'', 'empty.mp4 is empty'), ('large.mp4', bytes(6_000_000), '5 MB at most'),
])
def test_bad_files(page, tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    page.drops(tmp_path / name)

    def said():
        notes = [page.part('cdvd-drop', '[role=status]'), *page.find('[role=alert]')]
        return any(message in note.text for note in notes)

    until(said, message)


def test_pictures(page, tmp_path):
    import cv2

    names = [tmp_path / f'frame{index}.png' for index in (2, 10, 1)]
    for index, name in enumerate(names):
        cv2.imwrite(str(name), moving_picture(index, (64, 48)))
    page.drops(*names)
    page.waits_for('3 pictures')
    page.press('Restore')
    page.waits_for('Done: 3 frames')
    assert '3 pictures_restored.zip' in page.find('a.download')[0].text


def test_nothing_comes_from_elsewhere(page, film, server):
    page.drops(film)
    page.press('Preview')
    page.waits_for('Preview: 20 frames')
    until(lambda: page.player('player.after.readyState >= 2'), 'a frame')
    hosts, complaints = set(), []
    for entry in page.browser.get_log('performance'):
        message = json.loads(entry['message'])['message']
        if message['method'] == 'Network.requestWillBeSent':
            address = urlsplit(message['params']['request']['url'])
            if address.scheme not in ('data', 'blob', 'about', 'chrome'):
                hosts.add(address.netloc)
    assert hosts == {urlsplit(server.address).netloc}
    complaints = [entry['message'] for entry in page.browser.get_log('browser')
                  if 'Content Security Policy' in entry['message']]
    assert not complaints


@pytest.mark.parametrize('width, scheme', [(390, 'light'), (390, 'dark'), (1280, 'dark')])
def test_fits_and_has_names(browser, server, film, width, scheme):
    browser.execute_cdp_cmd('Emulation.setDeviceMetricsOverride', dict(
        width=width, height=900, deviceScaleFactor=1, mobile=width < 600))
    browser.execute_cdp_cmd('Emulation.setEmulatedMedia', dict(
        features=[dict(name='prefers-color-scheme', value=scheme)]))
    try:
        page = Page(browser, server)
        page.drops(film)
        page.press('Preview')
        page.waits_for('Preview: 20 frames')
        assert browser.execute_script('return document.documentElement.scrollWidth') <= width
        dark = browser.execute_script(
            'return getComputedStyle(document.body).backgroundColor.match(/\\d+/g)'
            '.every((value) => value < 60)')
        assert dark == (scheme == 'dark')
        nodes = browser.execute_cdp_cmd('Accessibility.getFullAXTree', {})['nodes']
        controls = [node for node in nodes if not node['ignored'] and node['role']['value'] in (
            'button', 'slider', 'textbox', 'radio', 'combobox', 'listbox', 'link', 'progressbar')]
        assert len(controls) > 8
        assert not [node for node in controls if not node['name']['value']]
    finally:
        browser.execute_cdp_cmd('Emulation.clearDeviceMetricsOverride', {})
        browser.execute_cdp_cmd('Emulation.setEmulatedMedia', dict(features=[]))
