// Save pictures, and corrected labels as .ply.

function download(name, blob) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

// Return a labelled .ply, binary: the instances that are shown, as `mask3d prepare folder` reads it.
function labelledPly(scene, state) {
  const numbers = new Map();
  for (const item of state.visible) {
    for (const member of item.members) numbers.set(member + 1, [item.class, item.id]);
  }
  const axis = scene.double ? 'double' : 'float', bytes = scene.double ? 8 : 4;
  const lines = ['ply', 'format binary_little_endian 1.0',
    'comment label: class id; instance: 0 none', `element vertex ${scene.count}`,
    ...['x', 'y', 'z'].map((name) => `property ${axis} ${name}`),
    ...(scene.color ? ['red', 'green', 'blue'] : []).map((name) => `property uchar ${name}`),
    'property int label', 'property int instance', 'end_header', ''];
  const width = 3 * bytes + (scene.color ? 3 : 0) + 8;
  const view = new DataView(new ArrayBuffer(width * scene.count));
  const owner = scene.owner[state.name];
  for (let i = 0; i < scene.count; i++) {
    let place = i * width;
    for (let axis = 0; axis < 3; axis++, place += bytes) {
      const value = scene.origin[axis] + scene.scale[axis] * scene.xyz[4 * i + axis];
      if (scene.double) view.setFloat64(place, value, true);
      else view.setFloat32(place, value, true);
    }
    for (let channel = 0; scene.color && channel < 3; channel++, place++) {
      view.setUint8(place, scene.color[3 * i + channel]);
    }
    const [label, instance] = numbers.get(owner[i]) || [0, 0];
    view.setInt32(place, Math.max(label, 0), true);
    view.setInt32(place + 4, instance, true);
  }
  return new Blob([lines.join('\n'), view.buffer]);
}

// Send the corrections to the server, which applies them to the points of the file.
async function sendCorrections(state, number) {
  const instances = state.visible.map((item) => ({
    id: item.id, class: item.class, members: item.members }));
  const reply = await fetch('save', {
    method: 'POST', headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ scene: number, layer: state.name, instances }) });
  const text = await reply.text();
  if (!reply.ok) throw new Error(text);
  return text;
}
