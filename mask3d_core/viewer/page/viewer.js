// The viewer: its state, and what each control does.

const byId = (id) => document.getElementById(id);

class Viewer {
  // scenes: [{ name, stamp, load() }]; live: whether a server saves corrections.
  constructor(scenes, live) {
    this.sources = scenes;
    this.live = live;
    this.cloud = new Cloud(byId('points'));
    this.camera = new Camera();
    this.kept = new Map();      // scenes that were decoded, the latest last
    this.views = ['color', ''];
    this.steps = scenes.length > 1 && scenes.every((one) => one.stamp !== null);
    this.background = [0x1b, 0x1e, 0x25];
  }

  async open(number) {
    byId('message').textContent = 'loading …';
    this.wanted = number;
    const kept = this.kept.get(number) || this.prepare(
      await decodeScene(await this.sources[number].load()));
    if (this.wanted !== number) return;   // another one was asked for meanwhile
    this.kept.delete(number);
    this.kept.set(number, kept);
    if (this.kept.size > (this.steps ? 16 : 3)) this.forget();
    const first = !this.scene;
    this.number = number;
    this.scene = kept.scene;
    this.states = kept.states;
    this.cloud.show(this.scene);
    this.layer = this.states[this.layer] ? this.layer : Object.keys(this.states)[0] || '';
    this.chooseModes();
    if (first || !this.steps) this.firstView();
    else this.camera.target = this.camera.target.map(
      (value, axis) => value + this.lastOrigin[axis] - this.scene.origin[axis]);
    this.lastOrigin = this.scene.origin;
    for (const state of Object.values(this.states)) state.minScore = this.minScore();
    byId('message').textContent = '';
    this.refresh();
  }

  prepare(scene) {
    const states = {};
    for (const name of Object.keys(scene.layers)) states[name] = new LayerState(scene, name);
    return { scene, states };
  }

  // Forget the oldest scene without corrections.
  forget() {
    for (const [number, { states }] of this.kept) {
      if (!Object.values(states).some((state) => state.edits.length)) {
        this.kept.delete(number);
        return;
      }
    }
  }

  get state() { return this.states[this.layer]; }

  // Metres from the camera: what is nearer is hidden.
  get front() { return Number(byId('front').value) * this.camera.distance; }

  minScore() { return Number(byId('score').value); }

  firstView() {
    const { view, size, origin } = this.scene;
    this.camera.azimuth = view.azimuth * Math.PI / 180;
    this.camera.elevation = view.elevation * Math.PI / 180;
    const top = view.ceiling === undefined ? 1 : (view.ceiling - origin[2]) / size[2];
    byId('cut').value = top;
    byId('front').value = 0;
    const stage = byId('stage'), views = this.views[1] ? 2 : 1;
    this.camera.fit(samplePoints(this.scene, size[2] * top),
      stage.clientWidth / views / Math.max(1, stage.clientHeight));
  }

  chooseModes() {
    const modes = modesOf(this.scene);
    const values = modes.map(([value]) => value);
    const wish = this.chosen || ['prediction status', 'prediction', 'truth', 'color', 'height']
      .find((value) => values.includes(value));
    this.views[0] = values.includes(wish) ? wish : values[0];
    if (!values.includes(this.views[1])) this.views[1] = '';
    if (this.besideWish === undefined && this.scene.layers.truth && this.scene.layers.prediction) {
      this.views[1] = values.includes('truth status') ? 'truth status' : 'truth';
    }
    fillOptions(byId('mode'), modes, this.views[0]);
    fillOptions(byId('beside'), [['', 'nothing'], ...modes], this.views[1]);
  }

  refresh() {
    this.refreshTabs();
    const source = this.sources[this.number];
    byId('title').textContent = this.sources.length > 1 && !this.steps ? '' : this.scene.name;
    document.title = `${this.scene.name} - mask3d view`;
    byId('scene').value = this.number;
    byId('time').value = this.number;
    byId('timeValue').textContent = this.steps
      ? `${this.number + 1} of ${this.sources.length}, ${source.stamp.toFixed(1)} s` : '';
    byId('edit').hidden = byId('filters').hidden = !this.state || this.listing;
    this.refreshNotes();
    this.refreshList();
    this.paint();
  }

  refreshTabs() {
    const names = { prediction: 'predicted', truth: 'truth' };
    const tab = (text, on, action) => {
      const made = element('button', on ? 'on' : '', text);
      made.addEventListener('click', () => { action(); this.refresh(); });
      return made;
    };
    const tabs = Object.entries(this.states).map(([name, state]) => tab(
      `${names[name]} ${state.visible.length}/${state.items.filter((i) => !i.gone).length}`,
      name === this.layer && !this.listing, () => { this.layer = name; this.listing = false; }));
    if (this.sources.length > 1 && !this.steps) {
      tabs.unshift(tab(`${this.sources.length} scans`, this.listing,
        () => { this.listing = true; }));
    }
    byId('tabs').replaceChildren(...tabs);
  }

  refreshNotes() {
    const { count, total, notes } = this.scene;
    const size = count === total ? `${total.toLocaleString('en')} points.`
      : `${count.toLocaleString('en')} of ${total.toLocaleString('en')} points: thinned.`;
    byId('notes').replaceChildren(...[size, ...notes].map((text) => element('p', '', text)));
  }

  // Return the part of a mode that colours instances: '', 'class', 'score' or 'status'.
  kindFor(layer) {
    const mode = this.views.find((one) => one && one.split(' ')[0] === layer);
    return mode ? mode.split(' ')[1] || '' : '';
  }

  refreshList() {
    const { state } = this;
    if (this.listing) {
      fillScenes(byId('list'), this.sources, this.number,
        (number) => this.open(number).catch(showError));
      return;
    }
    if (!state) { byId('list').replaceChildren(); return; }
    fillList(byId('list'), state, this.kindFor(this.layer), byId('search').value, {
      toggle: (item) => {
        if (!state.off.delete(item.index)) state.off.add(item.index);
        this.refresh();
      },
      select: (item, event) => this.select(item, event.ctrlKey || event.metaKey, true) });
    this.refreshEdit();
    document.body.dataset.shown = state.visible.length;
  }

  refreshEdit() {
    const { state } = this, chosen = state.selected.map((index) => state.items[index]);
    const [first] = chosen;
    byId('selection').textContent = first
      ? chosen.map((item) => `${state.className(item)} (id ${item.id})`).join(', ')
      : 'Select an instance to correct it.';
    fillOptions(byId('class'), this.scene.classes.map((one) => [one.id, one.name]),
      first ? first.class : '');
    byId('class').disabled = byId('delete').disabled = !first;
    byId('merge').disabled = chosen.length < 2;
    byId('undo').disabled = !state.edits.length;
    byId('save').textContent = `save ${state.visible.length} shown instances as .ply`;
  }

  select(item, more, jump) {
    const { state } = this;
    if (!more) state.selected = item ? [item.index] : [];
    else if (state.selected.includes(item.index)) {
      state.selected = state.selected.filter((index) => index !== item.index);
    } else state.selected.push(item.index);
    if (item && jump && !more) this.jump(item);
    this.refresh();
    const row = byId('list').querySelector('.selected');
    if (row && !jump) row.scrollIntoView({ block: 'nearest' });
  }

  // Fly to an instance.
  jump(item) {
    const goal = new Camera();
    goal.look(item.center.map((value, axis) => value - this.scene.origin[axis]),
      Math.max(0.6, 0.8 * Math.hypot(...item.size)));
    const from = { target: this.camera.target.slice(), distance: this.camera.distance };
    const start = performance.now();
    this.flight = start;
    const step = (now) => {
      if (this.flight !== start) return;
      const share = Math.min(1, Math.max(0, (now - start) / 350)), eased = share * (2 - share);
      this.camera.target = from.target.map((v, axis) => v + eased * (goal.target[axis] - v));
      this.camera.distance = from.distance * (goal.distance / from.distance) ** eased;
      this.draw(share < 1);
      if (share < 1) requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  }

  heatRow() {
    const chosen = this.states.prediction ? this.states.prediction.selected[0] : undefined;
    return Math.max(0, this.scene.heats.indexOf(chosen === undefined ? this.scene.heats[0]
      : chosen));
  }

  paint() {
    this.views.forEach((mode, view) => {
      if (mode) {
        this.cloud.paint(view, paintPoints(this.scene, mode, {
          states: this.states, heat: this.heatRow(), only: byId('only').checked,
          layer: this.layer }));
      }
    });
    byId('legend').replaceChildren(legendFor(this.views[0], this.scene));
    this.draw();
  }

  // Draw once in the next frame, with fewer points of a large cloud.
  drawSoon() {
    if (this.drawing) return;
    this.drawing = true;
    requestAnimationFrame((now) => {
      this.cloud.adapt(now);
      this.drawing = false;
      this.draw(true);
    });
  }

  draw(moving = false) {
    if (!this.scene) return;
    const stage = byId('stage'), ratio = window.devicePixelRatio || 1;
    const width = Math.max(1, Math.round(stage.clientWidth * ratio));
    const height = Math.max(1, Math.round(stage.clientHeight * ratio));
    const views = this.views[1] ? 2 : 1, cut = Number(byId('cut').value);
    this.cloud.resize(width, height);
    this.cloud.draw(this.camera, {
      views, moving, ratio, size: 2 ** Number(byId('size').value),
      cut: cut >= 1 ? 1e9 : cut * this.scene.size[2], front: this.front, back: this.background.map((v) => v / 255) });
    this.drawOver(stage.clientWidth, stage.clientHeight, ratio, views);
    if (moving) {
      clearTimeout(this.settle);
      this.settle = setTimeout(() => this.draw(), 180);
    }
  }

  drawOver(width, height, ratio, views) {
    const canvas = byId('overlay'), part = width / views;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const pen = canvas.getContext('2d');
    pen.scale(ratio, ratio);
    const matrix = this.camera.matrix(part / height);
    for (let view = 0; view < views; view++) {
      const [mode, kind = ''] = this.views[view].split(' ');
      const state = this.states[mode] || this.state;
      if (state) {
        drawOverlay(pen, state, this.states[mode] ? kind : this.kindFor(this.layer),
          { matrix, left: view * part, width: part, height },
          { boxes: byId('boxes').checked, labels: byId('labels').checked });
      }
      if (views > 1 || mode === 'heat') this.drawTitle(pen, view, part, height);
    }
  }

  drawTitle(pen, view, part, height) {
    const title = this.titleOf(this.views[view]);
    pen.fillStyle = getComputedStyle(document.body).color;
    pen.font = '600 14px system-ui, sans-serif';
    pen.textAlign = 'left';
    pen.fillText(title, view * part + 12, 18);
    if (view) {
      pen.fillStyle = '#8a93a5';
      pen.fillRect(view * part - 1, 0, 1, height);
    }
  }

  titleOf(mode) {
    if (mode === 'heat') {
      const item = this.states.prediction.items[this.scene.heats[this.heatRow()]];
      return `heatmap of ${labelText(this.states.prediction, item)}`;
    }
    return modesOf(this.scene).find(([value]) => value === mode)[1];
  }

  pick(x, y) { return pickPoint(this, x, y); }

  pointAt(index) {
    return [0, 1, 2].map((axis) => this.scene.xyz[4 * index + axis] * this.scene.scale[axis]);
  }

  screenshot() {
    this.draw();
    const [points, over] = [byId('points'), byId('overlay')];
    const picture = document.createElement('canvas');
    [picture.width, picture.height] = [points.width, points.height];
    const pen = picture.getContext('2d');
    pen.drawImage(points, 0, 0);
    pen.drawImage(over, 0, 0);
    return picture;
  }
}

function fillOptions(select, pairs, chosen) {
  select.replaceChildren(...pairs.map(([value, name]) => {
    const option = element('option', '', name);
    option.value = value;
    return option;
  }));
  select.value = chosen;
}
