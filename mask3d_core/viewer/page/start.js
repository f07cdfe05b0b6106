// Start the viewer: with the scenes in the page, or with those of the server.

function bytesOfText(text) {
  const characters = atob(text.trim()), bytes = new Uint8Array(characters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = characters.charCodeAt(i);
  return bytes;
}

async function loadBytes(address) {
  const reply = await fetch(address);
  if (!reply.ok) throw new Error(await reply.text());
  return new Uint8Array(await reply.arrayBuffer());
}

async function start() {
  const inside = byId('scenes.json');
  const about = inside ? JSON.parse(inside.textContent) : await (await fetch('scenes.json')).json();
  const scenes = about.scenes.map((scene, number) => ({
    ...scene, load: async () => (inside ? bytesOfText(byId(`scene${number}`).textContent)
      : loadBytes(`scene/${number}`)) }));
  const viewer = new Viewer(scenes, !inside);
  Object.assign(window, { viewer, project });   // for the console and for tests
  byId('score').value = about.score;
  byId('scoreValue').textContent = viewer.minScore().toFixed(2);
  byId('scenes').hidden = viewer.steps || scenes.length < 2;
  byId('timeline').hidden = !viewer.steps;
  byId('time').max = scenes.length - 1;
  fillOptions(byId('scene'), scenes.map((scene, number) => [number, scene.label]), 0);
  viewer.listing = scenes.some((scene) => scene.note);
  connectControls(viewer);
  await viewer.open(viewer.steps ? scenes.length - 1 : 0);
  document.body.dataset.ready = 'yes';
}

window.addEventListener('DOMContentLoaded', () => start().catch(showError));
