// The instances of one layer of a scene: what is shown, and what the user corrected.

class LayerState {
  constructor(scene, name) {
    this.scene = scene;
    this.name = name;
    this.base = scene.layers[name];
    this.off = new Set();       // indices that are switched off
    this.selected = [];         // indices, the first one leads
    this.edits = [];
    this.minScore = 0;
    this.replay();
  }

  // Apply all edits to the instances as they came.
  replay() {
    this.items = this.base.map((item) => ({ ...item, gone: false, members: [item.index] }));
    for (const edit of this.edits) {
      const [first, ...others] = edit.indices.map((index) => this.items[index]);
      if (edit.kind === 'class') first.class = edit.class;
      if (edit.kind === 'delete') first.gone = true;
      if (edit.kind === 'merge') for (const other of others) this.absorb(first, other);
    }
    this.selected = this.selected.filter((index) => !this.items[index].gone);
  }

  absorb(first, other) {
    other.gone = true;
    first.members.push(...other.members);
    first.points += other.points;
    const corners = [first, other].flatMap((item) => boxCorners(item));
    const low = [0, 1, 2].map((axis) => Math.min(...corners.map((corner) => corner[axis])));
    const high = [0, 1, 2].map((axis) => Math.max(...corners.map((corner) => corner[axis])));
    first.center = low.map((value, axis) => (value + high[axis]) / 2);
    first.size = low.map((value, axis) => high[axis] - value);
    first.yaw = 0;
  }

  edit(kind, indices, more = {}) {
    this.edits.push({ kind, indices, ...more });
    this.replay();
  }

  undo() {
    this.edits.pop();
    this.replay();
  }

  shown(item) {
    return !item.gone && !this.off.has(item.index) && item.score >= this.minScore - 1e-9;
  }

  get visible() { return this.items.filter((item) => this.shown(item)); }

  className(item) { return this.scene.className.get(item.class) || `class ${item.class}`; }

  // Return the instance that points of an index belong to after the corrections, or null.
  ownerOf(index) {
    return this.items.find((item) => !item.gone && item.members.includes(index)) || null;
  }

  itemColor(item, kind) {
    if (kind === 'class') return this.scene.classColor.get(item.class) || [160, 160, 160];
    if (kind === 'score') return SCORES[Math.round(255 * item.score)];
    if (kind === 'status') {
      return item.status === 'wrong' ? WRONG : item.status === 'right' ? RIGHT : [120, 140, 170];
    }
    return item.color;
  }

  // Return the colour of the points of each 1 + index; undefined: not shown.
  colorTable(kind) {
    const table = [];
    for (const item of this.visible) {
      for (const member of item.members) table[member + 1] = this.itemColor(item, kind);
    }
    return table;
  }
}

// Return the eight corners of the upright box of an instance, metres, in the frame of the file.
function boxCorners(item) {
  const [c, s] = [Math.cos(item.yaw), Math.sin(item.yaw)];
  return Array.from({ length: 8 }, (_, index) => {
    const x = (index & 1 ? 0.5 : -0.5) * item.size[0], y = (index & 2 ? 0.5 : -0.5) * item.size[1];
    return [item.center[0] + c * x - s * y, item.center[1] + s * x + c * y,
      item.center[2] + (index & 4 ? 0.5 : -0.5) * item.size[2]];
  });
}
