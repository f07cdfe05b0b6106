// Find the point under the pointer.

// Return the index of the nearest visible point under a place of the stage, -1 for none.
function pickPoint(viewer, x, y) {
  const stage = byId('stage'), views = viewer.views[1] ? 2 : 1;
  const width = stage.clientWidth / views, height = stage.clientHeight;
  const view = Math.min(views - 1, Math.floor(x / width));
  const m = viewer.camera.matrix(width / height), [sx, sy, sz] = viewer.scene.scale;
  const cutShare = Number(byId('cut').value);
  const cut = cutShare >= 1 ? Infinity : cutShare * viewer.scene.size[2] / sz;
  const { xyz, count } = viewer.scene;
  let best = -1, nearest = Infinity;
  for (let i = 0; i < count; i++) {
    if (xyz[4 * i + 2] > cut) continue;
    const [px, py, pz] = [xyz[4 * i] * sx, xyz[4 * i + 1] * sy, xyz[4 * i + 2] * sz];
    const w = m[3] * px + m[7] * py + m[11] * pz + m[15];
    if (w <= viewer.front) continue;
    const dx = ((m[0] * px + m[4] * py + m[8] * pz + m[12]) / w + 1) / 2 * width
      - (x - view * width);
    const dy = (1 - (m[1] * px + m[5] * py + m[9] * pz + m[13]) / w) / 2 * height - y;
    const distance = dx * dx + dy * dy;
    if (distance < 36 && w + 0.003 * w * distance < nearest) {
      nearest = w + 0.003 * w * distance;
      best = i;
    }
  }
  return { index: best, view };
}
