// The two parts of the page that a form has not: where files are dropped, and before beside after.
'use strict';

// What is in a shadow is left alone when Gradio brings the page up to date.
const build = (element, html) => {
  const shadow = element.attachShadow({mode: 'open'});
  const sheet = new URL('static-cdvd/parts.css', document.baseURI);
  shadow.innerHTML = `<link rel="stylesheet" href="${sheet}">${html}`;
  return (selector) => shadow.querySelector(selector);
};

class Drop extends HTMLElement {
  connectedCallback() {
    if (this.shadowRoot) return;
    const find = build(this, `
      <label class="drop"><input type="file" multiple>
        <span><b>Drop a video or pictures here</b>, or press to choose</span></label>
      <progress max="1" aria-label="Upload" hidden></progress>
      <p role="status"></p>`);
    this.input = find('input');
    this.bar = find('progress');
    this.status = find('p');
    this.input.addEventListener('change', () => this.take(this.input.files));
    this.addEventListener('dragover', (event) => event.preventDefault());
    this.addEventListener('drop', (event) => {
      event.preventDefault();
      this.take(event.dataTransfer.files);
    });
  }

  async take(list) {
    const files = [...list].sort((a, b) => a.name.localeCompare(b.name, 'en', {numeric: true}));
    if (!files.length || this.input.disabled) return;
    const total = files.reduce((sum, file) => sum + file.size, 0);
    if (total > Number(this.getAttribute('max-bytes'))) {
      this.say(`This is ${(total / 1e6).toFixed(0)} MB: the page takes `
               + `${(this.getAttribute('max-bytes') / 1e6).toFixed(0)} MB at most.`, true);
      return;
    }
    this.input.disabled = true;
    this.bar.hidden = false;
    this.say('Uploading …');
    try {
      let before = 0;
      for (const [index, file] of files.entries()) {
        await this.send(file, index, (sent) => { this.bar.value = (before + sent) / total; });
        before += file.size;
      }
      this.say('');
      this.dispatchEvent(new CustomEvent('cdvd-uploaded',
                                         {bubbles: true, detail: {name: files[0].name}}));
    } catch (error) {
      this.say(error.message, true);
    }
    this.bar.hidden = true;
    this.input.disabled = false;
    this.input.value = '';
  }

  send(file, index, onProgress) {
    const action = `${this.getAttribute('action')}/${index}?name=${encodeURIComponent(file.name)}`;
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      request.open('POST', new URL(action, document.baseURI));
      request.upload.addEventListener('progress', (event) => onProgress(event.loaded));
      request.addEventListener('load', () => (request.status === 200 ? resolve() : reject(
        new Error(request.responseText || `The server refuses it (${request.status}).`))));
      request.addEventListener('error', () => reject(
        new Error('The upload broke off: it is too large, or the server is gone.')));
      request.send(file);
    });
  }

  say(text, isError = false) {
    this.status.textContent = text;
    this.status.className = isError ? 'error' : '';
  }
}

class Player extends HTMLElement {
  connectedCallback() {
    if (this.shadowRoot) return;
    const find = this.find = build(this, `
      <div class="stage" data-mode="slider">
        <figure class="of-after"><video muted playsinline preload="auto" aria-label="After"></video>
          <img class="overlay" alt="" hidden><figcaption>after</figcaption></figure>
        <figure class="of-before"><video muted playsinline preload="auto" aria-label="Before">
          </video><figcaption>before</figcaption></figure>
        <div class="line" aria-hidden="true"></div>
        <input class="split" type="range" min="0" max="100" value="50"
          aria-label="Slider between before, on the left, and after, on the right">
      </div>
      <div class="controls">
        <button type="button" class="play" aria-label="Play">▶</button>
        <button type="button" class="back" aria-label="One frame back">−1</button>
        <button type="button" class="forth" aria-label="One frame on">+1</button>
        <input class="time" type="range" min="0" value="0" step="any" aria-label="Time">
        <output class="clock"></output>
      </div>
      <div class="controls">
        <fieldset><legend>View</legend>
          <label><input type="radio" value="slider" checked> Slider</label>
          <label><input type="radio" value="pair"> Side by side</label></fieldset>
        <fieldset class="seen" hidden><legend>What the network saw here</legend>
          <button type="button" class="see">Look</button>
          <select aria-label="Overlay" hidden></select>
          <label class="opacity" hidden>Strength
            <input type="range" min="0" max="1" step="0.05" value="0.7"></label></fieldset>
      </div>`);
    this.stage = find('.stage');
    this.after = find('.of-after video');
    this.before = find('.of-before video');
    this.overlay = find('.overlay');
    this.time = find('.time');
    this.select = find('select');
    this.rate = Number(this.getAttribute('rate')) || 25;
    this.after.src = this.getAttribute('after');
    this.before.src = this.getAttribute('before');
    find('.seen').hidden = !this.hasAttribute('sees');
    find('.split').addEventListener('input', (event) => {
      this.stage.style.setProperty('--split', `${event.target.value}%`);
    });
    find('.play').addEventListener('click', () => (this.after.paused ? this.play() : this.pause()));
    find('.back').addEventListener('click', () => this.step(-1));
    find('.forth').addEventListener('click', () => this.step(1));
    this.time.addEventListener('input', () => { this.pause(); this.seek(Number(this.time.value)); });
    const views = [...this.shadowRoot.querySelectorAll('fieldset input[type=radio]')];
    const group = `view-${Math.random()}`;
    for (const radio of views) {
      radio.name = group;
      radio.addEventListener('change', () => { this.stage.dataset.mode = radio.value; });
    }
    find('.see').addEventListener('click', () => {
      this.pause();
      this.dispatchEvent(new CustomEvent('cdvd-see', {bubbles: true, detail: {
        time: this.after.currentTime + Number(this.getAttribute('start') || 0)}}));
    });
    this.select.addEventListener('change', () => this.showOverlay());
    find('.opacity input').addEventListener('input', (event) => {
      this.overlay.style.opacity = event.target.value;
    });
    this.after.addEventListener('loadedmetadata', () => {
      this.time.max = this.after.duration;
      this.tell();
    });
    this.after.addEventListener('ended', () => { this.seek(0); this.play(); });
    this.after.addEventListener('timeupdate', () => this.tell());
  }

  play() {
    this.dropOverlays();
    this.before.currentTime = this.after.currentTime;
    this.after.play();
    this.before.play();
    this.button('Pause', '❚❚');
    this.follow();
  }

  pause() {
    this.after.pause();
    this.before.pause();
    this.before.currentTime = this.after.currentTime;
    this.button('Play', '▶');
  }

  button(label, sign) {
    const play = this.find('.play');
    play.setAttribute('aria-label', label);
    play.textContent = sign;
  }

  // Two films drift apart: the one before hurries or waits, and jumps where it is far off.
  follow() {
    if (this.after.paused || !this.isConnected) return;
    const late = this.after.currentTime - this.before.currentTime;
    if (Math.abs(late) > 0.3) this.before.currentTime = this.after.currentTime;
    this.before.playbackRate = Math.abs(late) < 0.2 / this.rate ? 1
      : Math.min(1.5, Math.max(0.5, 1 + 4 * late));
    this.tell();
    requestAnimationFrame(() => this.follow());
  }

  seek(seconds) {
    const last = Math.max(0, (this.after.duration || 0) - 0.5 / this.rate);
    this.after.currentTime = this.before.currentTime = Math.min(last, Math.max(0, seconds));
    this.dropOverlays();
    this.tell();
  }

  step(frames) {
    this.pause();  // to the middle of a frame: at its edge, rounding decides which one it is
    this.seek((Math.floor(this.after.currentTime * this.rate + 1e-3) + frames + 0.5) / this.rate);
  }

  tell() {
    const now = this.after.currentTime;
    this.time.value = now;
    const text = `${now.toFixed(2)} of ${(this.after.duration || 0).toFixed(2)} s`;
    this.time.setAttribute('aria-valuetext', text);
    this.find('.clock').textContent = text;
  }

  offerOverlays(links) {
    const names = {prior: 'Sharpness prior', flow: 'Flow'};
    this.select.replaceChildren(...Object.entries(links).map(([kind, link]) => new Option(
      names[kind], link)), new Option('None', ''));
    this.select.hidden = this.find('.opacity').hidden = false;
    this.showOverlay();
    this.select.focus();
  }

  showOverlay() {
    this.overlay.hidden = !this.select.value;
    this.overlay.style.opacity = this.find('.opacity input').value;
    if (this.select.value) this.overlay.src = this.select.value;
    this.overlay.alt = this.select.selectedOptions[0]?.text || '';
  }

  dropOverlays() {
    this.overlay.hidden = this.select.hidden = this.find('.opacity').hidden = true;
  }
}

// Comes with an answer of the server: hands the pictures to the player.
class Overlays extends HTMLElement {
  connectedCallback() {
    document.querySelector('cdvd-player')?.offerOverlays(JSON.parse(this.getAttribute('links')));
  }
}

customElements.define('cdvd-drop', Drop);
customElements.define('cdvd-player', Player);
customElements.define('cdvd-overlays', Overlays);
