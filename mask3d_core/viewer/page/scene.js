// Decode a scene: the format is described in mask3d_core/viewer/packing.py.

async function inflate(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function decodeScene(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const length = view.getUint32(0, true);
  const scene = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  const streams = {};
  let place = 4 + length;
  for (const [name, size] of Object.entries(scene.arrays)) {
    streams[name] = await inflate(bytes.subarray(place, place + size));
    place += size;
  }
  scene.xyz = positions(streams.xyz, scene.count);
  scene.color = undoDifferences(streams.color, scene.count);
  scene.features = undoDifferences(streams.features, scene.count);
  scene.superpoint = streams.superpoint;
  scene.heat = streams.heat;
  scene.owner = {};
  for (const name of Object.keys(scene.layers)) {
    scene.owner[name] = words(streams[name], scene.count);
    scene.layers[name].forEach((item, index) => { item.index = index; });
  }
  scene.className = new Map(scene.classes.map((one) => [one.id, one.name]));
  scene.classColor = new Map(scene.classes.map((one) => [one.id, one.color]));
  scene.size = extent(scene);
  return scene;
}

// Undo differences of 16 bits: [x high, x low, y high, …] -> x, y, z and a gap for each point.
function positions(planes, count) {
  const xyz = new Uint16Array(4 * count);
  for (let axis = 0; axis < 3; axis++) {
    const high = 2 * axis * count, low = high + count;
    let value = 0;
    for (let i = 0; i < count; i++) {
      value = (value + (planes[high + i] << 8) + planes[low + i]) & 65535;
      xyz[4 * i + axis] = value;
    }
  }
  return xyz;
}

function undoDifferences(planes, count) {
  if (!planes) return null;
  const rows = new Uint8Array(3 * count);
  for (let channel = 0; channel < 3; channel++) {
    let value = 0;
    for (let i = 0; i < count; i++) {
      value = (value + planes[channel * count + i]) & 255;
      rows[3 * i + channel] = value;
    }
  }
  return rows;
}

// Return 0 for no instance, 1 + its index otherwise.
function words(planes, count) {
  const values = new Uint16Array(count);
  for (let i = 0; i < count; i++) values[i] = (planes[i] << 8) + planes[count + i];
  return values;
}

// The points' bounding box, in metres from the origin of the scene.
function extent(scene) {
  const high = [0, 0, 0];
  for (let i = 0; i < scene.count; i++) {
    for (let axis = 0; axis < 3; axis++) {
      high[axis] = Math.max(high[axis], scene.xyz[4 * i + axis]);
    }
  }
  return high.map((value, axis) => value * scene.scale[axis]);
}

// Return some points below a height, metres from the origin of the scene.
function samplePoints(scene, height) {
  const points = [], every = Math.ceil(scene.count / 4000);
  for (let i = 0; i < scene.count; i += every) {
    const point = [0, 1, 2].map((axis) => scene.xyz[4 * i + axis] * scene.scale[axis]);
    if (point[2] <= height || height >= scene.size[2]) points.push(point);
  }
  return points;
}
