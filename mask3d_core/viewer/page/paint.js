// Colours of the points in every mode.

const SCORE_RAMP = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
const HEAT_RAMP = [[66, 70, 88], [96, 36, 130], [190, 50, 100], [250, 130, 50], [255, 240, 150]];
const WRONG = [255, 84, 70], RIGHT = [84, 200, 120];
const PALETTE = Array.from({ length: 256 }, (_, index) => {
  const [hue, value] = [(index * 0.618034) % 1 * 6, 0.65 + 0.35 * ((index * 7) % 5) / 4];
  return [5, 3, 1].map((start) => {
    const sector = (start + hue) % 6;
    return 255 * value * (1 - 0.65 * Math.max(0, Math.min(1, sector, 4 - sector)));
  });
});

function ramp(colors, share) {
  const place = Math.max(0, Math.min(0.9999, share)) * (colors.length - 1);
  const index = Math.floor(place), rest = place - index;
  return colors[index].map((value, channel) => value + rest * (colors[index + 1][channel] - value));
}

function rampTable(colors) {
  return Array.from({ length: 256 }, (_, index) => ramp(colors, index / 255));
}
const SCORES = rampTable(SCORE_RAMP), HEATS = rampTable(HEAT_RAMP);

// The modes that a scene has: [value, name] each.
function modesOf(scene) {
  const modes = [];
  if (scene.color) modes.push(['color', 'scan colours']);
  modes.push(['height', 'height']);
  if (scene.layers.prediction) {
    modes.push(['prediction', 'instances'], ['prediction class', 'classes'],
      ['prediction score', 'scores']);
  }
  if (scene.layers.truth) modes.push(['truth', 'truth'], ['truth class', 'truth, classes']);
  for (const [layer, title] of [['prediction', 'right and false'], ['truth', 'found and missed']]) {
    if ((scene.layers[layer] || []).some((item) => item.status)) {
      modes.push([`${layer} status`, title]);
    }
  }
  if (scene.heat && scene.heats.length) modes.push(['heat', 'heatmap of an instance']);
  if (scene.features) modes.push(['features', 'features (PCA)']);
  if (scene.superpoint) modes.push(['superpoint', 'superpoints']);
  return modes;
}

// Return [4 N] colours; options: layer states, heat (row of the heatmap), only, layer.
function paintPoints(scene, mode, options) {
  const rgba = new Uint8Array(4 * scene.count);
  const [layer] = mode.split(' ');
  if (scene.owner[layer]) paintLayer(scene, mode, options.states[layer], rgba);
  else paintPlain(scene, mode, options.heat, rgba);
  const listed = scene.owner[layer] ? layer : options.layer;
  if (options.only && scene.owner[listed]) hideOthers(scene, options.states[listed], listed, rgba);
  return rgba;
}

function paintPlain(scene, mode, heat, rgba) {
  const { count, xyz } = scene;
  const rows = mode === 'color' ? scene.color : mode === 'features' ? scene.features : null;
  const table = mode === 'superpoint' ? PALETTE : mode === 'heat' ? HEATS : SCORES;
  const index = mode === 'superpoint' ? scene.superpoint
    : mode === 'heat' ? scene.heat.subarray(heat * count, (heat + 1) * count) : null;
  for (let i = 0; i < count; i++) {
    if (rows) {
      for (let channel = 0; channel < 3; channel++) rgba[4 * i + channel] = rows[3 * i + channel];
    } else {
      const color = table[index ? index[i] : xyz[4 * i + 2] >> 8];
      for (let channel = 0; channel < 3; channel++) rgba[4 * i + channel] = color[channel];
    }
    rgba[4 * i + 3] = 255;
  }
}

function paintLayer(scene, mode, state, rgba) {
  const owner = scene.owner[mode.split(' ')[0]], { color } = scene;
  const table = state.colorTable(mode.split(' ')[1]);
  for (let i = 0; i < scene.count; i++) {
    const chosen = table[owner[i]];
    const bright = color ? (0.3 * color[3 * i] + 0.59 * color[3 * i + 1]
      + 0.11 * color[3 * i + 2]) / 255 : 0.6;
    const share = 0.72 + 0.35 * bright;   // what the scan shows stays visible
    for (let channel = 0; channel < 3; channel++) {
      rgba[4 * i + channel] = chosen ? Math.min(255, share * chosen[channel]) : 50 + 120 * bright;
    }
    rgba[4 * i + 3] = 255;
  }
}

function hideOthers(scene, state, layer, rgba) {
  const owner = scene.owner[layer], table = state.colorTable('');
  for (let i = 0; i < scene.count; i++) if (!table[owner[i]]) rgba[4 * i + 3] = 0;
}
