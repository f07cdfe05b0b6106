// Boxes and labels, drawn over the points.

const EDGES = [[0, 1], [2, 3], [4, 5], [6, 7], [0, 2], [1, 3], [4, 6], [5, 7], [0, 4], [1, 5],
  [2, 6], [3, 7]];
const MAX_LABELS = 60;

// Draw the boxes and labels of one view into a rectangle of a 2D canvas.
function drawOverlay(pen, state, kind, frame, options) {
  const { matrix, left, width, height } = frame;
  const place = (point) => {
    const spot = project(matrix, point.map((v, axis) => v - state.scene.origin[axis]), width,
      height);
    return spot && [spot[0] + left, spot[1], spot[2]];
  };
  pen.save();
  pen.beginPath();
  pen.rect(left, 0, width, height);
  pen.clip();
  const items = state.visible;
  for (const item of items) {
    const chosen = state.selected.includes(item.index);
    if (options.boxes || chosen) drawBox(pen, item, place, state.itemColor(item, kind), chosen);
  }
  if (options.labels) drawLabels(pen, state, items, kind, place);
  pen.restore();
}

function drawBox(pen, item, place, color, chosen) {
  const corners = boxCorners(item).map(place);
  pen.beginPath();
  for (const [a, b] of EDGES) {
    if (corners[a] && corners[b]) {
      pen.moveTo(corners[a][0], corners[a][1]);
      pen.lineTo(corners[b][0], corners[b][1]);
    }
  }
  if (chosen) {
    pen.lineWidth = 4;
    pen.strokeStyle = '#ffffff';
    pen.stroke();
  }
  pen.lineWidth = chosen ? 2 : 1;
  pen.strokeStyle = `rgba(${color.map(Math.round)}, ${chosen ? 1 : 0.75})`;
  pen.stroke();
}

function drawLabels(pen, state, items, kind, place) {
  const taken = [];
  pen.font = '12px system-ui, sans-serif';
  pen.textAlign = 'center';
  pen.textBaseline = 'middle';
  const ordered = [...items].sort((a, b) => state.selected.includes(b.index)
    - state.selected.includes(a.index) || b.score - a.score || b.points - a.points);
  for (const item of ordered.slice(0, MAX_LABELS)) {
    const top = [item.center[0], item.center[1], item.center[2] + item.size[2] / 2];
    const spot = place(top);
    if (spot) drawLabel(pen, labelText(state, item), spot, state.itemColor(item, kind), taken);
  }
}

function labelText(state, item) {
  const score = state.name === 'prediction' ? ` ${item.score.toFixed(2)}` : '';
  return state.className(item) + score;
}

function drawLabel(pen, text, [x, y], color, taken) {
  const width = pen.measureText(text).width + 10;
  const box = [x - width / 2, y - 20, width, 17];
  const free = taken.every((other) => box[0] > other[0] + other[2] || other[0] > box[0] + box[2]
    || box[1] > other[1] + other[3] || other[1] > box[1] + box[3]);
  if (!free) return;
  taken.push(box);
  pen.fillStyle = `rgb(${color.map(Math.round)})`;
  pen.beginPath();
  pen.roundRect(...box, 4);
  pen.fill();
  const bright = 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2] > 140;
  pen.fillStyle = bright ? '#101216' : '#ffffff';
  pen.fillText(text, x, y - 11);
}
