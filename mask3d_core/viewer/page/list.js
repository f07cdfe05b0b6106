// The list of instances beside the points.

function element(tag, name, text = '') {
  const made = document.createElement(tag);
  made.className = name;
  made.textContent = text;
  return made;
}

function rgb(color) { return `rgb(${color.map(Math.round)})`; }

// Fill the list; on: { toggle(item), select(item, event) }.
function fillList(root, state, kind, filter, on) {
  root.replaceChildren();
  const word = filter.trim().toLowerCase();
  for (const item of state.items) {
    const name = state.className(item);
    if (item.gone || (word && !name.toLowerCase().includes(word))) continue;
    root.append(listRow(state, item, name, kind, on));
  }
}

function listRow(state, item, name, kind, on) {
  const row = element('div', `item ${item.status}`);
  row.dataset.index = item.index;
  const box = element('input', '');
  box.type = 'checkbox';
  box.checked = !state.off.has(item.index);
  box.title = 'show';
  box.addEventListener('click', (event) => { event.stopPropagation(); on.toggle(item); });
  const swatch = element('span', 'swatch');
  swatch.style.background = rgb(state.itemColor(item, kind));
  const title = element('span', 'name', name);
  title.title = `${name}, id ${item.id}, ${item.size.map((v) => v.toFixed(2)).join(' x ')} m`;
  const score = state.name === 'prediction' ? item.score.toFixed(2) : '';
  row.append(box, swatch, title, element('span', 'number', score),
    element('span', 'number', item.points.toLocaleString('en')));
  if (item.note) row.append(element('span', 'note', item.note));
  row.classList.toggle('off', !state.shown(item));
  row.classList.toggle('selected', state.selected.includes(item.index));
  row.addEventListener('click', (event) => on.select(item, event));
  return row;
}

// Fill the list with scans instead.
function fillScenes(root, scenes, chosen, open) {
  root.replaceChildren(...scenes.map((scene, number) => {
    const row = element('div', `scan ${number === chosen ? 'selected' : ''}`);
    row.append(element('div', '', scene.label), element('div', 'note', scene.note));
    row.addEventListener('click', () => open(number));
    return row;
  }));
}

function legendFor(mode, scene) {
  const ramps = { heat: [HEAT_RAMP, '0', '1, in the mask'], height: [SCORE_RAMP, '0 m',
    `${scene.size[2].toFixed(1)} m`], 'prediction score': [SCORE_RAMP, '0', 'score 1'] };
  const root = element('div', '');
  if (!ramps[mode]) return root;
  const [colors, low, high] = ramps[mode];
  const bar = element('div', 'ramp');
  bar.style.background = `linear-gradient(90deg, ${colors.map(rgb).join(', ')})`;
  const ends = element('div', 'ends');
  ends.append(element('span', '', low), element('span', '', high));
  root.append(bar, ends);
  return root;
}
