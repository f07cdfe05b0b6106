// Connect the controls of the page with the viewer.

function connectControls(viewer) {
  const on = (id, event, action) => byId(id).addEventListener(event, action);
  on('mode', 'change', () => {
    viewer.views[0] = viewer.chosen = byId('mode').value;
    viewer.refresh();
  });
  on('beside', 'change', () => {
    viewer.views[1] = viewer.besideWish = byId('beside').value;
    viewer.refresh();
  });
  for (const id of ['boxes', 'labels']) on(id, 'change', () => viewer.draw());
  for (const id of ['cut', 'front', 'size']) on(id, 'input', () => viewer.drawSoon());
  on('only', 'change', () => viewer.paint());
  on('score', 'input', () => {
    byId('scoreValue').textContent = viewer.minScore().toFixed(2);
    for (const state of Object.values(viewer.states)) state.minScore = viewer.minScore();
    viewer.refresh();
  });
  on('search', 'input', () => viewer.refreshList());
  on('all', 'click', () => { viewer.state.off.clear(); viewer.refresh(); });
  on('none', 'click', () => {
    for (const item of viewer.state.items) viewer.state.off.add(item.index);
    viewer.refresh();
  });
  on('reset', 'click', () => { viewer.firstView(); viewer.draw(); });
  on('light', 'click', () => {
    const light = document.documentElement.classList.toggle('light');
    viewer.background = light ? [245, 246, 249] : [0x1b, 0x1e, 0x25];
    viewer.draw();
  });
  on('screenshot', 'click', () => viewer.screenshot().toBlob(
    (blob) => download(`${viewer.scene.name}.png`, blob)));
  on('scene', 'change', () => viewer.open(Number(byId('scene').value)).catch(showError));
  on('previous', 'click', () => step(viewer, -1));
  on('next', 'click', () => step(viewer, 1));
  on('time', 'input', () => viewer.open(Number(byId('time').value)).catch(showError));
  on('play', 'click', () => play(viewer));
  connectEdits(viewer, on);
  connectPointer(viewer);
  connectKeys(viewer);
  new ResizeObserver(() => viewer.draw()).observe(byId('stage'));
}

function showError(error) { byId('message').textContent = error.message; }

function step(viewer, by) {
  const count = viewer.sources.length;
  viewer.open((viewer.number + by + count) % count).catch(showError);
}

async function play(viewer) {
  viewer.playing = !viewer.playing;
  byId('play').textContent = viewer.playing ? 'pause' : 'play';
  while (viewer.playing) {
    const last = viewer.number === viewer.sources.length - 1;
    await viewer.open(last ? 0 : viewer.number + 1).catch(showError);
    await new Promise((done) => { setTimeout(done, 700); });
  }
}

function connectEdits(viewer, on) {
  const edit = (kind, more) => {
    const { state } = viewer;
    if (!state || !state.selected.length) return;
    const chosen = kind === 'merge' ? [state.selected.slice()] : state.selected.map((i) => [i]);
    for (const indices of chosen) state.edit(kind, indices, more);
    if (kind === 'merge') state.selected = state.selected.slice(0, 1);
    viewer.refresh();
  };
  viewer.edit = edit;
  on('class', 'change', () => edit('class', { class: Number(byId('class').value) }));
  on('merge', 'click', () => edit('merge'));
  on('delete', 'click', () => edit('delete'));
  on('undo', 'click', () => { viewer.state.undo(); viewer.refresh(); });
  on('save', 'click', async () => {
    const { scene, state } = viewer;
    if (!viewer.live) {
      download(`${scene.name}_corrected.ply`, labelledPly(scene, state));
      byId('saved').textContent = scene.count === scene.total ? ''
        : 'The file has the points of this page, which are thinned.';
      return;
    }
    byId('saved').textContent = await sendCorrections(state, viewer.number)
      .catch((error) => error.message);
  });
}

function connectPointer(viewer) {
  const stage = byId('stage'), held = new Map();
  let travelled = 0;
  stage.addEventListener('pointerdown', (event) => {
    stage.setPointerCapture(event.pointerId);
    held.set(event.pointerId, [event.clientX, event.clientY]);
    viewer.flight = null;
    travelled = 0;
  });
  stage.addEventListener('pointermove', (event) => {
    const before = held.get(event.pointerId);
    if (!before) return;
    const [dx, dy] = [event.clientX - before[0], event.clientY - before[1]];
    const others = [...held].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
    held.set(event.pointerId, [event.clientX, event.clientY]);
    travelled += Math.abs(dx) + Math.abs(dy);
    if (others.length) {   // two fingers
      const gap = (x, y) => Math.hypot(x - others[0][0], y - others[0][1]);
      viewer.camera.zoom(gap(...before) / Math.max(1, gap(event.clientX, event.clientY)));
      viewer.camera.move(dx / 2, dy / 2, stage.clientHeight);
    } else if (event.shiftKey || event.buttons & 6) {
      viewer.camera.move(dx, dy, stage.clientHeight);
    } else viewer.camera.turn(dx, dy);
    viewer.drawSoon();
  });
  stage.addEventListener('pointerup', (event) => {
    held.delete(event.pointerId);
    if (travelled < 4 && event.button === 0) clickAt(viewer, event);
  });
  stage.addEventListener('pointercancel', (event) => held.delete(event.pointerId));
  stage.addEventListener('contextmenu', (event) => event.preventDefault());
  stage.addEventListener('wheel', (event) => {
    event.preventDefault();
    viewer.camera.zoom(1.0015 ** Math.max(-300, Math.min(300, event.deltaY)));
    viewer.drawSoon();
  }, { passive: false });
  stage.addEventListener('dblclick', (event) => {
    const { index } = viewer.pick(event.offsetX, event.offsetY);
    if (index >= 0) {
      viewer.camera.target = viewer.pointAt(index);
      viewer.camera.zoom(0.7);
      viewer.draw();
    }
  });
}

function clickAt(viewer, event) {
  const { index, view } = viewer.pick(event.offsetX, event.offsetY);
  const [layer] = viewer.views[view].split(' ');
  if (viewer.states[layer]) viewer.layer = layer;
  const { state } = viewer;
  if (!state) return;
  viewer.listing = false;
  const item = index < 0 ? null : state.ownerOf(viewer.scene.owner[viewer.layer][index] - 1);
  const more = event.ctrlKey || event.metaKey;
  const chosen = item && state.shown(item) ? item : null;
  if (chosen || !more) viewer.select(chosen, more, false);
}

function connectKeys(viewer) {
  const actions = { n: () => step(viewer, 1), p: () => step(viewer, -1),
    r: () => byId('reset').click(), s: () => byId('screenshot').click(),
    b: () => byId('boxes').click(), l: () => byId('labels').click(),
    Delete: () => viewer.edit('delete') };
  document.addEventListener('keydown', (event) => {
    const typing = ['INPUT', 'SELECT'].includes(event.target.tagName);
    if (event.key === 'z' && (event.ctrlKey || event.metaKey)) byId('undo').click();
    else if (actions[event.key] && !typing && !event.ctrlKey && !event.metaKey) {
      actions[event.key]();
    }
  });
}
